"""Type stubs agree with the modules they describe.

mypy's stubtest compares them: names, signatures, parameters and their defaults.
A module in plain Python with annotations needs no stub; one whose names are
compiled does.
"""

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import BuiltinFunctionType

import grove
import grove.resolver
import pytest

PACKAGE = Path(grove.__file__).parent

PUBLIC = ["grove"] + [
    f"grove.{module.name}"
    for module in pkgutil.iter_modules(grove.__path__)
    if not module.ispkg and not module.name.startswith("_")
]

OF_RESOLVERS = ["grove.resolver"] + [
    f"grove.resolver.{module.name}"
    for module in pkgutil.iter_modules(grove.resolver.__path__)
]

#: Modules that gevent has not: they have types by the name of grove, and no other.
OURS_ALONE = {"grove.gunicorn", "grove.resolver.abstract", "grove.serve", "grove.stalls"}

#: Modules whose compiled names are told by other stubs: sleep is the package's.
WITHOUT_STUB: set[str] = {"grove.time"}

#: Modules whose stubs have what is ours, and for the rest those of the standard
#: module's. Of these it is the business of others whether they agree.
DERIVED = ("grove.socket", "grove.ssl")


def stub_of(name):
    if name == "grove":
        return PACKAGE / "__init__.pyi"
    return PACKAGE / f"{name.removeprefix('grove.')}.pyi"


STUBBED = [name for name in PUBLIC if stub_of(name).exists()]


def own_names(name):
    """What the stub of a derived module defines itself, methods as Class.method."""
    for node in ast.parse(stub_of(name).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, (ast.FunctionDef, ast.AnnAssign)):
                    yield f"{node.name}.{getattr(inner, 'name', '') or inner.target.id}"


def typed(name):
    """What a module shows that its types are to tell: all of it in Python 3.11, and in
    others, of whose standard library mypy knows more or less, what is ours."""
    module = importlib.import_module(name)
    shown = getattr(module, "__all__", None) or module.__implements__
    if sys.version_info[:2] != (3, 11) and hasattr(module, "__implements__"):
        shown = [*module.__implements__, *getattr(module, "__extensions__", ())]
    return [n for n in shown if not n.startswith("_")]


def is_compiled(thing):
    # Class methods have no module.
    module = getattr(thing, "__module__", None) or "grove"
    if not module.startswith("grove"):
        return False
    if isinstance(thing, type):
        return not thing.__flags__ & (1 << 9)  # no heap type
    return isinstance(thing, BuiltinFunctionType)


def unannotated(path):
    """Public functions and methods of a file that do not say what they return."""
    tree = ast.parse(path.read_text())
    bodies = [tree] + [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    return [
        function.name
        for body in bodies
        for function in body.body
        if isinstance(function, ast.FunctionDef)
        and not function.name.startswith("_")
        and function.returns is None
    ]


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_module_has_types(name):
    module = importlib.import_module(name)
    compiled = [
        key
        for key in getattr(module, "__all__", ())
        if is_compiled(getattr(module, key))
    ]
    if stub_of(name).exists():
        ast.parse(stub_of(name).read_text())
    elif compiled:
        assert name in WITHOUT_STUB, f"a stub is needed for {compiled}"
    else:
        assert unannotated(Path(module.__file__)) == []


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs a module of mypy; its standard output and exit status."""
    pytest.importorskip("mypy.stubtest", reason="the stubs are checked by mypy: apt-get install mypy, for /usr/bin/python3")
    tried = subprocess.run(
        [sys.executable, "-m", "mypy", "-c", "1"], capture_output=True, text=True
    )
    if tried.returncode != 0:
        last = tried.stderr.strip().rpartition("\n")[2]
        pytest.skip(f"mypy does not run with this interpreter: {last}")
    config = tmp_path_factory.mktemp("mypy") / "mypy.ini"
    cache = config.parent / "cache"
    config.write_text(
        f"[mypy]\nignore_missing_imports = True\ncache_dir = {cache}\n"
    )

    def run(module, option, *arguments, path=str(PACKAGE.parent)):
        result = subprocess.run(
            [sys.executable, "-m", module, option, config, *arguments],
            env={**os.environ, "PYTHONPATH": path, "MYPYPATH": path},
            cwd=config.parent,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return result.stdout + result.stderr, result.returncode

    return run


def test_stubs_agree_with_the_modules(mypy, tmp_path):
    assert STUBBED
    # The package itself would stand for all its modules, stubs or not.
    modules = [name for name in STUBBED if name != "grove"]
    # A name that is a keyword cannot be written.
    allowed = ["grove.core.loop.async"]
    options = []
    if "--ignore-disjoint-bases" in mypy("mypy.stubtest", "--help")[0]:
        # Types that cannot be bases together: older ones know no word for it.
        options.append("--ignore-disjoint-bases")
    else:
        # These take the slot of C, which seems to take anything, for the truth.
        allowed += [
            "grove.event.Event.__init__",
            "grove.event.AsyncResult.__init__",
            "grove.thread.LockType.__init__",
            "grove.thread.RLock.__init__",
        ]
    for name in DERIVED:
        own = "|".join(map(re.escape, own_names(name)))
        allowed.append(rf"{re.escape(name)}\.(?!({own})$).*")
    names = tmp_path / "allowed"
    names.write_text("\n".join(allowed))
    output, status = mypy(
        "mypy.stubtest", "--mypy-config-file", *modules, "--allowlist", names, *options
    )
    assert status == 0, output


def test_programs_are_checked_by_them(mypy, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from grove.pool import Pool\n"
        "from grove.queue import Queue\n"
        "q: Queue[int] = Queue(5)\n"
        "good: int = q.get(timeout=1)\n"
        "also: list[int] = Pool(3).map(len, ['a'])\n"
        "bad: str = q.get()\n"
        "Pool(3).spawm(len)\n"
    )
    output, status = mypy("mypy", "--config-file", program)
    lines = [line.split(":")[1] for line in output.splitlines() if ": error:" in line]
    assert lines == ["6", "7"] and status == 1, output


def test_no_error_is_found_in_the_package(mypy):
    output, status = mypy("mypy", "--config-file", "-p", "grove")
    assert status == 0, output


def test_gevents_modules_have_types_by_these_names(mypy, tmp_path):
    """Every name that is public at run time, by gevent's module."""
    stubs = PACKAGE.parents[1] / "compat" / "gevent"
    lines = []
    for name in [*PUBLIC, *OF_RESOLVERS]:
        named = name.replace("grove", "gevent", 1)
        stub = stubs.joinpath(*named.split(".")[1:])
        there = (stub / "__init__.pyi").exists() or stub.with_suffix(".pyi").exists()
        assert there == (name not in OURS_ALONE), name
        if there:
            lines += [f"from {named} import {n}" for n in typed(name)]
    assert len(lines) > 200
    program = tmp_path / "program.py"
    program.write_text("\n".join(lines))
    output, status = mypy(
        "mypy", "--config-file", program, path=str(PACKAGE.parents[1] / "compat")
    )
    errors = [line for line in output.splitlines() if "attr-defined" in line]
    assert errors == [] and status in (0, 1), output


def test_the_stub_of_the_package_has_its_names():
    tree = ast.parse(stub_of("grove").read_text())
    defined = {
        name
        for node in tree.body
        for name in (
            [alias.asname or alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else [node.name]
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
            else [node.target.id]
            if isinstance(node, ast.AnnAssign)
            else []
        )
    }
    assert set(grove.__all__) <= defined
    assert {name for name in defined if not hasattr(grove, name)} <= {
        "Any",
        "Callable",
        "Iterable",
        "NamedTuple",
        "_VersionInfo",
    }
