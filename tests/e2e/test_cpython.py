"""CPython's own tests hold, but for those that are known: after patch_all(), with
libc patched in addition, and by `grove run --threads`.

`tools/check cpython` runs those, too, that take long or have little to do with
what is patched; by GROVE_CPYTHON=all.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cpython_known
import cpython_known_threads
import cpython_modules as modules
import pytest
from conftest import BUILD, environment
from cpython_known import is_of

RUNNER = Path(__file__).with_name("cpython_tests.py")

ALL = os.environ.get("GROVE_CPYTHON") == "all"


@dataclass(frozen=True)
class Way:
    """How tests are run, and what is known of them."""

    name: str  # to cpython_tests.py
    modules: dict[str, int]
    more: dict[str, int]  # by hand
    known: ModuleType  # what fails
    before: tuple[str | Path, ...] = ()  # the command

    def skipped(self, module: str) -> list[str]:
        """What is not run of a module."""
        slow = {} if ALL else self.known.SLOW.get(module, {})
        return [*self.known.SKIP.get(module, {}), *slow]

    def asked_for(self) -> dict[str, int]:
        return self.more | self.modules if ALL else self.modules


RUN = (BUILD / "tool" / "grove", "run", "--threads")
WAYS = {
    "patched": Way("patched", modules.PATCHED, modules.PATCHED_MORE, cpython_known),
    "libc": Way("libc", modules.LIBC, modules.LIBC_MORE, cpython_known),
    "threads": Way(
        "plain", modules.WAITING, modules.WAITING_MORE, cpython_known_threads, RUN
    ),
}

on_x86_64 = pytest.mark.skipif(
    os.uname().machine != "x86_64",
    reason="libc's calls are patched on x86-64 only; a machine of that kind runs it",
)

#: All runs.
RUNS = [
    pytest.param(way, module, marks=[] if way == "patched" else on_x86_64)
    for way in WAYS
    for module in WAYS[way].asked_for()
]

#: How many run at once. They mostly sleep.
AT_ONCE = 4


def run(way: Way, module: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a module's tests, with what they leave behind in folder."""
    words = (sys.executable, RUNNER, way.name, module, *way.skipped(module))
    return subprocess.run(
        [*way.before, *words],
        env=environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=1800,  # one that hangs ends by itself
    )


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future]]:
    """The runs of all modules whose tests were asked for, under way."""
    tests = [t for t in request.session.items if t.path == request.path]
    params = [test.callspec.params for test in tests]
    runs = [(of["way"], of["module"]) for of in params]
    folder = tmp_path_factory.mktemp("cpython")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {run_: pool.submit(run, WAYS[run_[0]], run_[1], folder) for run_ in runs}
        pool.shutdown(cancel_futures=True)


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the list of what fails is of CPython 3.11's tests; run it by that",
)
@pytest.mark.skipif(
    importlib.util.find_spec("test.test_threading") is None,
    reason="CPython's tests are not here: apt-get install libpython3.11-testsuite",
)
@pytest.mark.parametrize(("way", "module"), RUNS)
def test_of_cpython(
    way: str, module: str, running: dict[tuple[str, str], Future]
) -> None:
    result = running[way, module].result()
    lines = [line.split() for line in result.stdout.splitlines() if line]
    ran = [int(words[1]) for words in lines if words[0] == "ran"]
    assert ran and ran[0] >= WAYS[way].asked_for()[module], result.stderr[-4000:]
    failed = [words[1] for words in lines if words[0] == "failed"]
    known = WAYS[way].known.FAIL.get(module, {})
    unknown = [t for t in failed if not any(is_of(t, name) for name in known)]
    assert unknown == [], result.stderr[-8000:]
    # What holds is not listed.
    assert [n for n in known if not any(is_of(t, n) for t in failed)] == []
