"""The parts of the tests: what each builds, and what it runs there.

A part that is asked for topics builds what these need and runs them alone.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from making import running
from making.progress import Progress
from making.results import Result, count_meson, count_pytest
from making.trees import (
    ROOT,
    Options,
    Tree,
    TreeError,
    compiler_environment,
    main_path,
    main_tree,
    part_path,
    sanitizers,
)

# Seconds in which a build or tests may print nothing. A C test has 60 of its own,
# ten times that under valgrind, where all bodies of the raw greenlet's are one.
SILENCE = 900

# Faults end the process, and say where they are.
SANITIZED = {
    # Looking for uses after return, which compilers since gcc 13 have on, takes
    # another mapping of megabytes a fiber. The rest is Meson's.
    "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_summary=1"
    ":detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}

# What a build for the C unit tests leaves out.
C_ONLY: Options = {
    "python_bindings": False,
    "man": False,
    "examples": False,
    "benchmarks": False,
    "werror": True,
    "checks": True,
}

# What a build for Python tests alone leaves out.
PYTHON_ONLY: Options = {
    "tests": False,
    "man": False,
    "examples": False,
    "benchmarks": False,
    "checks": True,
}


# By these, and only these, the tests let themselves be told of the outside.
OF_TESTS = ("GROVE_SEEDS", "GROVE_CPYTHON", "GROVE_FUZZ_*", "GROVE_*SEED")


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what somebody has set for programs of Grove's.

    The tests expect what is so by default.
    """
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(("GROVE_", "GEVENT_"))
        or any(fnmatch(name, pattern) for pattern in OF_TESTS)
    }


class PartFailed(Exception):
    """The part could not run its tests; the text is for people."""


@dataclass
class Job:
    """A part being run: where its output goes, and who tells how far it is."""

    log: Path
    progress: Progress

    def run(
        self,
        command: list[str],
        env: Mapping[str, str],
        doing: str = "starting",
        tests: Sequence[str] = (),
    ) -> int:
        """Run a command. doing: what to say of it. tests: what Meson will run."""
        self.progress.follow(self.log, doing, tests)
        # Tests hold hubs up, and so does a machine that is busy: those that are
        # about being told of it say so.
        environment = {
            **without_settings(os.environ),
            "GROVE_STALLS": "0",
            **compiler_environment(),
            **env,
        }
        try:
            return running.run(
                self.log, command, SILENCE, environment, self.progress.look
            )
        except running.Hung as error:
            raise PartFailed(f"at {self.progress.at()}: {error}") from None

    def make(self, command: list[str], env: dict[str, str]) -> int:
        """Run a command of Meson's or ninja's, for a tree."""
        doing = "building" if command[0] == "ninja" else "configuring"
        return self.run(command, env, doing)


@dataclass
class Build:
    """The build directory that a part has for itself."""

    name: str
    options: Options
    cross_file: str = ""  # it has a compiler of its own, whatever CC says

    def tree(self, job: Job) -> Tree:
        """The directory, configured."""
        tree = Tree(part_path(self.name, any_compiler=bool(self.cross_file)), job.make)
        arguments = ["--cross-file", self.cross_file] if self.cross_file else []
        tree.configure(self.options, arguments=arguments)
        return tree


class Part:
    """A part: its build directory, the main one if it has none of its own.

    by_hand: it takes long for what it finds, or more than tests are to install, so it
    is run only if it is named.
    """

    def __init__(
        self, about: str, build: Build | None, *, by_hand: bool = False
    ) -> None:
        self.about = about
        self.by_hand = by_hand
        self._build = build

    def tree(self, job: Job) -> Tree:
        tree = self._build.tree(job) if self._build else main_tree("check", job.make)
        tree.refresh()
        return tree

    def topics(self) -> list[str]:
        """What it can be asked for."""
        raise NotImplementedError

    def unknown(self, topics: Sequence[str]) -> str:
        """The first of topics that it has not, or ""."""
        known = self.topics()
        return next((topic for topic in topics if name_of(topic) not in known), "")

    def has_names(self) -> bool:
        """Can a single test of a topic be asked for, as TOPIC::NAME?"""
        return False

    def run(self, job: Job, topics: Sequence[str]) -> Result:
        """Build, run the topics, or all if there are none, and count."""
        raise NotImplementedError


def name_of(topic: str) -> str:
    """The name of a topic that may be given as a test file, or a case in one."""
    return Path(topic.partition("::")[0]).stem.removeprefix("test_")


class CTests(Part):
    """The C unit tests, as one build directory has them."""

    def __init__(
        self,
        about: str,
        build: Build | None = None,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        *,
        by_hand: bool = False,
    ) -> None:
        super().__init__(about, build, by_hand=by_hand)
        self._arguments = arguments
        self._env = env or {}

    def topics(self) -> list[str]:
        return sorted(
            name_of(path.name)
            for suffix in ("c", "cpp")
            for path in (ROOT / "tests/unit").glob(f"test_*.{suffix}")
        )

    def run(self, job: Job, topics: Sequence[str]) -> Result:
        tree = self.tree(job)
        built = tree.tests("unit")
        names = [name_of(topic) for topic in topics] or list(built)
        for name in names:
            if name not in built:
                raise PartFailed(f"{tree.path.name} is built without the test {name}")
        tree.build(sorted({target for name in names for target in built[name]}))

        logs = tree.path / "meson-logs"
        for old in logs.glob("check*"):
            old.unlink()
        status = job.run(
            ["meson", "test", "-C", str(tree.path), "--no-rebuild", "--suite", "unit"]
            + ["--print-errorlogs", "--logbase", "check", *self._arguments]
            + (names if topics else []),
            self._env,
            tests=names,
        )
        result = count_meson(sorted(logs.glob("check*.json")))
        if status != 0 and not result.failures:
            raise PartFailed(f"meson test ended with status {status}")
        return result


class PythonTests(Part):
    """The tests of a folder, by pytest, against a build.

    Tests that import the package run inside the interpreter it was built for;
    others start it as GROVE_PYTHON.
    """

    def __init__(
        self,
        about: str,
        folder: str,
        needs: Sequence[str],
        build: Build | None = None,
        inside: bool = False,
        files: str = "test_*.py",
        env: Mapping[str, str] | None = None,
        sanitized: bool = False,
        by_hand: bool = False,
    ) -> None:
        """
        needs: the folders of the sources that have to be built.
        sanitized: the build is, and the interpreter is not.
        """
        super().__init__(about, build, by_hand=by_hand)
        self._env = env or {}
        self._sanitized = sanitized
        self._folder = ROOT / folder
        self._needs = needs
        self._inside = inside
        self._files = files

    def _paths(self) -> dict[str, Path]:
        return {name_of(p.name): p for p in sorted(self._folder.rglob(self._files))}

    def topics(self) -> list[str]:
        return list(self._paths())

    def has_names(self) -> bool:
        return True

    def run(self, job: Job, topics: Sequence[str]) -> Result:
        paths = self._paths()
        tests = [str(path) for path in paths.values()]
        if topics:
            # The path of the file, with the case in it if one is named.
            cases = [topic.partition("::") for topic in topics]
            tests = [f"{paths[name_of(f)]}{colons}{case}" for f, colons, case in cases]
        if not tests:
            return Result()
        tree = self.tree(job)
        if self._needs:
            tree.build(tree.targets_below(self._needs))
        report = job.log.with_suffix(".xml")
        report.unlink(missing_ok=True)
        python = str(tree.options()["python"])
        status = job.run(
            [python if self._inside else sys.executable, "-m", "pytest", "-v"]
            + ["-p", "no:cacheprovider", "-o", "console_output_style=count", "-rs"]
            + [f"--rootdir={ROOT}", f"--junitxml={report}", *tests],
            self._environment(tree, python),
        )
        if not report.exists():
            raise PartFailed(f"pytest ended with status {status}")
        result = count_pytest(report)
        if status not in (0, 5) and not result.failures:
            raise PartFailed(f"pytest ended with status {status}")
        return result

    def _environment(self, tree: Tree, python: str) -> dict[str, str]:
        """What the tests find the build by."""
        env = {
            "GROVE_BUILD": str(tree.path),
            "GROVE_PYTHON": python,
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._env,
        }
        if self._inside:
            env["PYTHONPATH"] = str(tree.path / "python")
        if self._sanitized:
            env["LD_PRELOAD"] = ":".join(sanitizers())
        seeds = ROOT.parent / "shared" / "seeds"
        if "GROVE_SEEDS" not in os.environ and seeds.is_dir():
            env["GROVE_SEEDS"] = str(seeds)
        return env


PARTS: dict[str, Part] = {
    # C unit tests: as released, then as the sanitizers and others see them.
    "unit": CTests("the C tests, as released"),
    "asan": CTests(
        "the C tests under AddressSanitizer and UBSan",
        Build(
            "asan",
            {**C_ONLY, "b_sanitize": "address,undefined", "b_lundef": False},
        ),
        env={
            **SANITIZED,
            "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0",
        },
    ),
    "tsan": CTests(
        "the C tests under ThreadSanitizer",
        Build("tsan", {**C_ONLY, "b_sanitize": "thread", "b_lundef": False}),
        # Running out of memory again and again takes OpenSSL 40 s under clang's.
        ["--timeout-multiplier", "3"],
        env={"TSAN_OPTIONS": "halt_on_error=1"},
    ),
    "valgrind": CTests(
        "the C tests under valgrind",
        Build("valgrind", {**C_ONLY, "memcheck": "enabled"}),
        ["--setup", "valgrind"],
    ),
    "ucontext": CTests(
        "the C tests where contexts are switched by ucontext",
        Build("ucontext", {**C_ONLY, "context": "ucontext"}),
    ),
    "turns": CTests(
        "the C tests as on a slow machine (by hand)",
        Build("turns", {**C_ONLY, "turns": "always"}),
        by_hand=True,
    ),
    "aarch64": CTests(
        "the portable C tests on aarch64, and patching, by emulation",
        Build("aarch64", {**C_ONLY, "tls": False, "http": "disabled"}, "tools/aarch64.ini"),
    ),
    # The package; then whole programs; then what is written about it all.
    "python": PythonTests(
        "the Python package", "tests/python", needs=["python"], inside=True
    ),
    # The WSGI server, and mutated requests to it. The interpreter is not built so: what it keeps to its
    # end is no leak, and all that it allocates is to be looked at.
    "python-asan": PythonTests(
        "the WSGI server under AddressSanitizer and UBSan",
        "tests/python",
        needs=["python"],
        build=Build(
            "python-asan",
            {**PYTHON_ONLY, "b_sanitize": "address,undefined", "b_lundef": False},
        ),
        inside=True,
        files="test_pywsgi*.py",
        env={
            **SANITIZED,
            "ASAN_OPTIONS": SANITIZED["ASAN_OPTIONS"] + ":detect_leaks=0",
            "PYTHONMALLOC": "malloc",
            "GROVE_FUZZ_REQUESTS": os.environ.get("GROVE_FUZZ_REQUESTS", "200000"),
        },
        sanitized=True,
    ),
    # The raw greenlet where assertions are on, CPython's own, too, and under
    # valgrind.
    "debug": PythonTests(
        "the raw greenlet in CPython's debug build",
        "tests/python",
        needs=["python"],
        build=Build("debug", {**PYTHON_ONLY, "python": "/usr/bin/python3-dbg"}),
        inside=True,
        files="test_greenlet_[!l]*.py",
    ),
    "memory": PythonTests(
        "the raw greenlet under valgrind",
        "tests/memory",
        needs=["python"],
        build=Build(
            "memory", {**PYTHON_ONLY, "python": "/usr/bin/python3", "memcheck": "enabled"}
        ),
    ),
    "e2e": PythonTests(
        "whole programs, the examples, the installation",
        "tests/e2e",
        needs=["src", "tool", "man", "python", "examples", "bench", "tests/threads"],
    ),
    "programs": PythonTests(
        "what runs on gevent, on it and on Grove, with servers",
        "tests/programs",
        needs=["src", "python"],
        by_hand=True,
    ),
    "cpython": PythonTests(
        "CPython's own tests, each way, those that take long, too (by hand)",
        "tests/e2e",
        needs=["src", "tool", "python"],
        files="test_cpython.py",
        env={"GROVE_CPYTHON": "all"},
        by_hand=True,
    ),
    "packages": PythonTests(
        "wheels and Debian packages, in this release and in roots",
        "tests/packages",
        needs=[],
        by_hand=True,
    ),
    "tools": PythonTests("what make runs", "tests/tools", needs=[]),
    "docs": PythonTests(
        "the manual, the documents, the layout of the code",
        "tests/docs",
        needs=["src", "man", "python", "examples"],
    ),
}


def usual() -> list[str]:
    """The parts that are run where none is named."""
    return [name for name, part in PARTS.items() if not part.by_hand]
