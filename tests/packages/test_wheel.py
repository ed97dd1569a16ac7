"""Wheels for this machine's interpreter, in virtual environments."""

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from making.sources import copy_sources

GEVENT = "/usr/lib/python3/dist-packages/gevent"


class Environment:
    """A virtual environment that sees the machine's packages, or does not."""

    def __init__(self, folder: Path, sees_machines: bool) -> None:
        self.folder = folder
        venv.create(
            folder, system_site_packages=sees_machines, with_pip=True, symlinks=True
        )

    def pip(self, *arguments: object, status: int = 0) -> str:
        return self._run("-m", "pip", "--disable-pip-version-check", *arguments, status=status)

    def install(self, *wheels: Path) -> str:
        return self.pip("install", "--no-index", *wheels)

    def python(self, source: str, *arguments: object) -> str:
        return self._run("-c", textwrap.dedent(source), *arguments)

    def _run(self, *arguments: object, status: int = 0) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(
            [self.folder / "bin/python", *map(str, arguments)],
            env=clean,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[bool], Environment]:
    return lambda sees_machines: Environment(tmp_path / "venv", sees_machines)


def wheel_of(wheels: Path, name: str) -> Path:
    (wheel,) = wheels.glob(f"{name}-*.whl")
    return wheel


def names_of(wheels: Path) -> list[Path]:
    return [wheel_of(wheels, "gevent"), wheel_of(wheels, "greenlet")]


def test_the_tags_are_right(wheels: Path):
    interpreter = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = sysconfig.get_platform().replace("-", "_")
    tags = f"-{interpreter}-{interpreter}-{platform}"
    assert wheel_of(wheels, "grove").stem.endswith(tags)
    assert all(wheel.stem.endswith("-py3-none-any") for wheel in names_of(wheels))


def test_libraries_are_inside_and_found_there(wheels: Path, tmp_path: Path):
    with zipfile.ZipFile(wheel_of(wheels, "grove")) as wheel:
        wheel.extractall(tmp_path)
    libraries = sorted((tmp_path / "grove.libs").iterdir())
    assert [path.name for path in libraries] == ["libgrove-patch.so.0", "libgrove.so.0"]
    (core,) = (tmp_path / "grove").glob("_core.*.so")
    for binary, place in ((core, "$ORIGIN/../grove.libs"), (libraries[0], "$ORIGIN/")):
        told = subprocess.check_output(["readelf", "-d", binary], text=True)
        assert "[libgrove.so.0]" in told
        assert f"runpath: [{place}]" in told
    # Where it was built is not in it.
    assert str(wheels).encode() not in core.read_bytes()


def test_nothing_else_is_inside(wheels: Path):
    with zipfile.ZipFile(wheel_of(wheels, "grove")) as wheel:
        tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top.partition("-")[0] for top in tops} == {"grove", "grove.libs"}


def test_the_package_alone_has_no_other_name(wheels: Path, environment: Callable):
    alone = environment(False)
    alone.install(wheel_of(wheels, "grove"))
    told = alone.python(
        """
        import importlib.metadata, importlib.util, grove, json
        assert importlib.metadata.version("grove") == grove.grove_version
        names = ("gevent", "greenlet")
        known = {d.metadata["Name"] for d in importlib.metadata.distributions()}
        print(json.dumps([
            [name for name in names if importlib.util.find_spec(name)],
            [name for name in names if name in known],
        ]))
        """
    )
    assert json.loads(told) == [[], []]


LOOK = """
    import gevent, gevent.pool, greenlet, importlib.metadata as metadata
    assert metadata.version("gevent") == gevent.__version__
    assert metadata.version("greenlet") == greenlet.__version__
    assert gevent.pool.Pool(2).map(abs, [-1]) == [1]
    print(gevent.__name__)
"""


def test_the_names_and_their_removal(wheels: Path, environment: Callable):
    chosen = environment(False)
    before = chosen.files()
    chosen.install(wheel_of(wheels, "grove"), *names_of(wheels))
    assert chosen.python(LOOK) == "grove\n"
    chosen.pip("check")
    chosen.pip("uninstall", "--yes", "gevent", "greenlet")
    assert chosen.python("import grove, sys; print('gevent' in sys.modules)") == "False\n"
    chosen.pip("uninstall", "--yes", "grove")
    assert chosen.files() == before


def test_a_checkout_is_installed(environment: Callable, tmp_path: Path):
    """As docs/installing.md has it, by meson-python of the machine."""
    pytest.importorskip(
        "mesonpy", reason="meson-python is missing: tools/setup package installs it"
    )
    checkout = tmp_path / "checkout"
    copy_sources(checkout)
    chosen = environment(True)
    names = [checkout / "python/compat" / name for name in ("greenlet", "gevent")]
    chosen.pip("install", "--no-index", "--no-build-isolation", checkout, *names)
    assert chosen.python(LOOK) == "grove\n"


@pytest.mark.skipif(
    not os.path.exists(GEVENT) or not sys.executable.startswith("/usr/bin/"),
    reason="real gevent is not there: apt-get install python3-gevent, for /usr/bin/python3",
)
def test_gevent_beside_it_works_until_its_name_is_chosen(
    wheels: Path, environment: Callable
):
    beside = environment(True)
    beside.install(wheel_of(wheels, "grove"))
    assert beside.python(LOOK) == "gevent\n"
    # Ours runs, and theirs, each in a process of its own.
    both = "import grove.pool; print(grove.pool.Pool(2).map(abs, [-1]))"
    assert beside.python(both) == "[1]\n"
    beside.install(*names_of(wheels))
    assert beside.python(LOOK) == "grove\n"
    beside.pip("uninstall", "--yes", "gevent", "greenlet")
    assert beside.python(LOOK) == "gevent\n"


def other_gevent(folder: Path) -> Path:
    """A wheel that calls itself gevent, of an earlier version, with a file more."""
    wheel = folder / "gevent-22.10.2-py3-none-any.whl"
    files = {
        "gevent/__init__.py": "other = True\n",
        "gevent/more.py": "",
        "gevent-22.10.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: gevent\n"
        "Version: 22.10.2\n",
        "gevent-22.10.2.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        "gevent-22.10.2.dist-info/RECORD": "",
    }
    listed = "".join(f"{name},,\n" for name in files)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, listed if name.endswith("RECORD") else text)
    return wheel


def names_in_gevent(environment: Environment) -> set[str]:
    """What stands in the folder of that name."""
    files = environment.files()
    return {p.name for p in files if p.parent.match("site-packages/gevent")}


def test_pip_puts_one_gevent_in_the_others_place(
    wheels: Path, environment: Callable, tmp_path: Path
):
    other = other_gevent(tmp_path)
    chosen = environment(False)
    chosen.install(other)
    chosen.install(wheel_of(wheels, "grove"), *names_of(wheels))
    assert chosen.python(LOOK) == "grove\n"
    assert "more.py" not in names_in_gevent(chosen)
    chosen.install(other)
    assert chosen.python("import gevent; print(gevent.other)") == "True\n"
    assert names_in_gevent(chosen) == {"__init__.py", "more.py"}


def test_an_extension_finds_the_header_of_greenlet(wheels: Path, environment: Callable):
    chosen = environment(False)
    chosen.install(wheel_of(wheels, "grove"), *names_of(wheels))
    place = chosen.python("import sysconfig; print(sysconfig.get_path('purelib'))")
    source = chosen.folder / "extension.c"
    source.write_text("#include <greenlet/greenlet.h>\nint n = sizeof(PyGreenlet *);\n")
    subprocess.check_call(
        ["cc", "-fsyntax-only", f"-I{sysconfig.get_path('include')}", f"-I{place.strip()}"]
        + [source]
    )


PROGRAM = """\
import greenlet
from gevent import monkey, spawn
from gevent.event import Event
from gevent.pool import Pool
from gevent.queue import Queue

monkey.patch_all()
q: Queue[int] = Queue(5)
good: int = q.get(timeout=1)
also: list[int] = Pool(3).map(len, ["a"])
waited: bool = Event().wait(1)
current: greenlet.greenlet = greenlet.getcurrent()
bad: str = q.get()
Pool(3).spawm(len)
"""


def test_types_of_gevents_modules(wheels: Path, environment: Callable):
    pytest.importorskip("mypy", reason="types are checked by mypy: apt-get install mypy")
    chosen = environment(False)
    chosen.install(wheel_of(wheels, "grove"), *names_of(wheels))
    program = chosen.folder / "program.py"
    program.write_text(PROGRAM)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir=/dev/null", program]
        + [f"--python-executable={chosen.folder}/bin/python"],
        cwd=chosen.folder,
        capture_output=True,
        text=True,
    )
    errors = [line for line in checked.stdout.splitlines() if ": error:" in line]
    assert [line.split(":")[1] for line in errors] == ["13", "14"], checked.stdout
