"""The build directories: where they are, how they are configured and built.

There is a directory for each compiler and each Python, side by side, so that
none is built anew because another was asked for:

    build                      the default compiler, /usr/bin/python3
    build-clang                CC=clang
    build-clang-m32            CC="clang -m32"
    build-python3.13           PYTHON=python3.13, or /some/where/bin/python3 if that
                               is 3.13; of two such the second gets a longer name
    build-asan, build-tsan ... those of the tests, build-asan-clang ...
    build-check                what the tests print

They are at the top of the checkout, or, if BUILD names a directory, that is
`build` and the others are below it.

What a directory was configured with is read from what Meson writes into it
(meson-info), so that one made by hand is as good as one made here.
"""

import configparser
import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from making.ending import started

ROOT = Path(__file__).resolve().parents[2]

Options = Mapping[str, bool | str]

# What a directory is first configured with by `make lib`. Whatever is asked for
# later is switched on when it is: options only go up.
LIBRARY_ALONE: Options = {
    "python_bindings": False,
    "examples": False,
    "tests": False,
    "benchmarks": False,
}
PACKAGE: Options = {"python_bindings": True, "examples": True}

# What the main directory must have for a purpose (those of tools/setup).
PURPOSES: dict[str, Options] = {
    "lib": {},
    "build": PACKAGE,
    "demo": PACKAGE,
    "bench": {**PACKAGE, "benchmarks": True},
    "check": {
        **PACKAGE,
        "benchmarks": True,
        "tests": True,
        "man": True,
        "tls": True,
        "http": "enabled",
        "event_loops": "enabled",
    },
}

# The folders whose targets are the C library: what `make install` installs.
LIBRARY_FOLDERS = ("src", "tool", "man")

LONGEST = 60  # characters of a directory's name that are of CC


class TreeError(Exception):
    """A directory cannot be configured or built; the text is for people."""


class Run(Protocol):
    """Runs a command in the root and returns its exit status."""

    def __call__(self, command: list[str], env: dict[str, str]) -> int: ...


def compiler() -> str:
    """The file name of the compiler that CC names, "" for the default one."""
    for word in shlex.split(os.environ.get("CC", "")):
        name = Path(word).name
        if name != "ccache":
            return "" if name in ("cc", "gcc") else name
    return ""


def compiler_name() -> str:
    """What a directory for CC is called after, "" for the default one.

    A word of all of it: options, and the folder it is in, make another compiler.
    """
    given = os.environ.get("CC", "").strip()
    command = given.removeprefix("/usr/bin/")
    if command in ("", "cc", "gcc"):
        return ""
    word = "-".join(re.findall(r"[\w.+=]+", command))
    return word if len(word) <= LONGEST else f"{word[:LONGEST]}-{digest(given)}"


def digest(text: str) -> str:
    """A few characters that tell texts apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def compiler_environment() -> dict[str, str]:
    """What CC says, said to C++ too: sanitizers' runtimes do not mix."""
    name = compiler()
    pairs = {"clang": "clang++", "gcc": "g++"}
    family, dash, version = name.partition("-")
    if family not in pairs or "CXX" in os.environ:
        return {}
    words = shlex.split(os.environ["CC"])
    position = [Path(word).name for word in words].index(name)
    path = Path(words[position])
    words[position] = str(path.with_name(pairs[family] + dash + version))
    return {"CXX": shlex.join(words)}


def sanitizers() -> list[str]:
    """The libraries of ASan and UBSan of the compiler, to be loaded before all others
    where the program itself is built without."""
    command = shlex.split(os.environ.get("CC", "")) or ["cc"]
    names = ["libasan.so", "libubsan.so"]
    if "clang" in compiler():
        names = [f"libclang_rt.asan-{os.uname().machine}.so"]
    return [
        subprocess.check_output([*command, f"-print-file-name={n}"], text=True).strip()
        for n in names
    ]


def suffix(*names: str) -> str:
    return "".join("-" + name for name in names if name)


def python() -> str:
    """The interpreter that PYTHON names, "" if it does not."""
    return os.environ.get("PYTHON", "")


def python_path(name: str) -> str:
    """The file that an interpreter's name stands for, as it is if there is none."""
    return os.path.realpath(shutil.which(name) or name)


def python_name() -> str:
    """What a directory for it is called after, "" for the default one.

    Its own name where that tells its version or is the system's, else one with the
    version; and with a few characters more if the directory by that name is another
    interpreter's.
    """
    found = shutil.which(python()) or python()
    if found in ("", "/usr/bin/python3"):
        return ""
    name = Path(found).name
    if not (found.startswith("/usr/bin/") or re.search(r"\d\.\d", name)):
        name = f"{name.rstrip('0123456789')}{python_version(found)}"
    path = ROOT / f"build{suffix(compiler_name(), name)}"
    if os.environ.get("BUILD") or not is_of_another_python(path):
        return name
    return f"{name}-{digest(python_path(found))}"


@functools.cache
def python_version(path: str) -> str:
    """The version of an interpreter, such as 3.13, "" if it does not tell."""
    tell = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run([path, "-I", "-c", tell], capture_output=True, text=True)
    except OSError:
        return ""
    return asked.stdout.strip()


def is_of_another_python(path: Path) -> bool:
    """Is a directory configured for an interpreter that is not PYTHON's, and is there?"""
    tree = Tree(path)
    if not tree.is_configured():
        return False
    built_for = python_path(str(tree.options()["python"]))
    return os.path.exists(built_for) and built_for != python_path(python())


def main_path() -> Path:
    """The directory of the build that is for use."""
    if given := os.environ.get("BUILD"):
        return Path(given).absolute()
    return ROOT / f"build{suffix(compiler_name(), python_name())}"


def part_path(name: str, *, any_compiler: bool = False) -> Path:
    """The directory of a build that a part of the tests has for itself."""
    base = main_path() if os.environ.get("BUILD") else ROOT
    return base / f"build-{name}{suffix('' if any_compiler else compiler_name())}"


def logs_path() -> Path:
    """The directory of what the tests print."""
    base = main_path() if os.environ.get("BUILD") else ROOT
    return base / f"build-check{suffix(compiler_name(), python_name())}"


def shown(path: Path) -> str:
    """A path as people are told it: from the root, if it is below."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def as_arguments(options: Options) -> list[str]:
    """Options as Meson takes them."""
    return [
        f"-D{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in options.items()
    ]


def make_folder(path: Path) -> None:
    """Have a folder there, one in which we may write; raises OSError."""
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
        pass


def refusal(error: OSError) -> str:
    """What the system did not let us do, for people: with the path, if it is of one."""
    if isinstance(error.filename, (str, os.PathLike)):
        return f"cannot use {shown(Path(error.filename))}: {error.strerror}"
    return str(error)


def say(text: str) -> None:
    """Tell the user, before what is run next says something."""
    print(f"make: {text}", flush=True)


def attached(command: list[str], env: dict[str, str]) -> int:
    """Run a command in the root where its output is seen.

    If we are ended it is asked to end, too: ninja then ends what it has started.
    """
    with started(
        command, end=subprocess.Popen.terminate, cwd=ROOT, env={**os.environ, **env}
    ) as process:
        return process.wait()


class Tree:
    """One build directory."""

    def __init__(
        self, path: Path, run: Run = attached, env: dict[str, str] | None = None
    ) -> None:
        self.path = path
        self._run = run
        self._env = compiler_environment() if env is None else env

    def _info(self, name: str) -> object:
        return json.loads((self.path / "meson-info" / f"{name}.json").read_text())

    def is_configured(self) -> bool:
        return (self.path / "build.ninja").exists()

    def options(self) -> dict[str, bool | str]:
        """All options of the build and their values."""
        return {o["name"]: o["value"] for o in self._info("intro-buildoptions")}

    def installed(self) -> list[Path]:
        """The files that it installs, where it installs them without DESTDIR."""
        return [Path(path) for path in self._info("intro-installed").values()]

    def has_moved(self) -> bool:
        """Was it configured in another place, or for sources in another?

        What ninja would run has absolute paths.
        """
        directories = self._info("meson-info")["directories"]
        return (directories["source"], directories["build"]) != (
            os.path.realpath(ROOT),
            os.path.realpath(self.path),
        )

    def configure(
        self, wanted: Options, first: Options = {}, arguments: Iterable[str] = ()
    ) -> None:
        """See to it that the options are as wanted.

        first: what a new directory gets besides. arguments: more for Meson when
        it is new.
        """
        if self.is_configured() and self.has_moved():
            say(f"{shown(self.path)} was configured elsewhere; configuring it anew")
            first = {**first, **self._given_options()}
            self._empty()
        if not self.is_configured():
            self._refuse_other_use()
            make_folder(self.path)
            self._empty()  # what an interrupted configuration left
            options = {**first, **wanted}
            setup = ["meson", "setup", str(self.path), str(ROOT), *arguments]
            self._meson([*setup, *as_arguments(options)])
            return
        options = self.options()
        if not wanted.keys() <= options.keys():
            self.refresh()  # the checkout has options that it had not then
            options = self.options()
        changed = {k: v for k, v in wanted.items() if options.get(k) != v}
        if changed:
            say(f"{shown(self.path)} gets {' '.join(as_arguments(changed))}")
            # Unlike `meson configure` this leaves all as it was if it fails.
            setup = ["meson", "setup", "--reconfigure", str(self.path), str(ROOT)]
            self._meson([*setup, *as_arguments(changed)])

    def refresh(self) -> None:
        """Have Meson's records be of the sources as they are.

        They are of its last run: ninja runs it again if a test, say, was added.
        """
        self.build(["build.ninja"])

    def build(self, targets: Iterable[str] = ()) -> None:
        """Build targets, or everything; nothing is said if all is built."""
        command = ["ninja", "-C", str(self.path), *targets]
        if self._is_done(command):
            return
        if self._run(command, self._env) != 0:
            raise TreeError(f"cannot build {shown(self.path)}")

    @staticmethod
    def _is_done(command: list[str]) -> bool:
        """Would ninja find nothing to do?"""
        asked = subprocess.run(
            [*command, "-n"], cwd=ROOT, capture_output=True, text=True
        )
        return asked.returncode == 0 and "ninja: no work to do." in asked.stdout

    def targets_below(self, folders: Iterable[str]) -> list[str]:
        """The targets of some folders of the sources."""
        places = [os.path.realpath(ROOT / folder) + os.sep for folder in folders]
        return [
            self._target_name(target)
            for target in self._info("intro-targets")
            if target["defined_in"].startswith(tuple(places))
        ]

    def tests(self, suite: str) -> dict[str, list[str]]:
        """The tests of a suite, in order, and the targets each needs."""
        targets = {t["id"]: self._target_name(t) for t in self._info("intro-targets")}
        return {
            test["name"]: [targets[target] for target in test["depends"]]
            for test in self._info("intro-tests")
            if any(s.split(":")[-1] == suite for s in test["suite"])
        }

    def _target_name(self, target: dict) -> str:
        """What ninja calls a target of which Meson tells."""
        return os.path.relpath(target["filename"][0], os.path.realpath(self.path))

    def _meson(self, command: list[str]) -> None:
        if self._run(command, self._env) != 0:
            raise TreeError(
                f"cannot configure {shown(self.path)} (tools/setup --missing names"
                " the packages that are)"
            )

    def _given_options(self) -> dict[str, str]:
        """The options that were given to Meson when it was configured."""
        given = configparser.ConfigParser(interpolation=None, strict=False)
        given.optionxform = str
        given.read(self.path / "meson-private" / "cmd_line.txt")
        return dict(given["options"]) if given.has_section("options") else {}

    def _empty(self) -> None:
        """Remove what Meson and ninja made; not the directories below BUILD."""
        for entry in self.path.iterdir() if self.path.exists() else ():
            if entry.name.startswith("build-"):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _refuse_other_use(self) -> None:
        """Raise if something else is in the directory."""
        if not self.path.exists() or (self.path / "meson-private").exists():
            return
        if any(not entry.name.startswith("build-") for entry in self.path.iterdir()):
            raise TreeError(f"{self.path} is not empty and not a build directory")

    def remove(self) -> None:
        """Remove the directory, if it is one of a build."""
        if (self.path / "meson-private").exists():
            shutil.rmtree(self.path)


def main_tree(purpose: str, run: Run = attached) -> Tree:
    """The main directory, configured for a purpose."""
    tree = Tree(main_path(), run)
    wanted = dict(PURPOSES[purpose])
    if python():
        wanted["python"] = shutil.which(python()) or python()
    tree.configure(wanted, first=LIBRARY_ALONE)
    return tree
