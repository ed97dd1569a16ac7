"""Counts that must not grow: instructions, allocations, system calls, mappings.

Times depend on the machine, counts do not. Instructions are the difference of
two run lengths under callgrind; the bounds are what was counted with Debian 12's
compiler and CPython 3.11 on x86-64, and a tenth more.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

BENCH = BUILD / "bench"
PY_COUNTED = ROOT / "bench" / "py_counted.py"
PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)
FEW, MANY = 1_000, 11_000

# Of each: the bound, 1.1 times what was counted.
IN_C = {
    "yield": 107,
    "spawn": 336,
    "echo": 2439,
    "stream": 3390,
    "mutex": 52,
    "group": 627,
}
AN_HTTP_HELLO = 4793
IN_PYTHON = {
    "switch": 388,
    "spawn": 3893,
    "queue": 1400,
    "channel": 1800,
    "pool": 4366,
    "socket": 1877,
}


def growth(count: Callable[[int], int], few: int, many: int) -> float:
    """What count says of many and of few, the difference for each."""
    with ThreadPoolExecutor(2) as both:
        counted = list(both.map(count, (few, many)))
    return (counted[1] - counted[0]) / (many - few)


def reported(command: list[str | Path], **environ: str) -> str:
    """What a tool that watches a program says of it."""
    result = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stderr


def instructions_each(*command: str | Path, **environ: str) -> float:
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]

    def count(times: int) -> int:
        said = reported([*callgrind, *command, str(times)], **environ)
        return int(said.rsplit("Collected : ", 1)[1].split()[0])

    return growth(count, FEW, MANY)


@pytest.fixture(scope="session")
def in_python(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of py_counted.py, whose modules have been compiled."""
    environ = {
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(BUILD / "compat"),
        "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("compiled")),
    }
    for what in IN_PYTHON:
        reported([PYTHON, PY_COUNTED, what, "1"], **environ, PYTHONDONTWRITEBYTECODE="")
    return {**environ, "PYTHONDONTWRITEBYTECODE": "1"}


x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64",
    reason="instructions are those of x86-64; another machine has others",
)


@x86_64
@pytest.mark.parametrize("what", IN_C)
def test_instructions_in_c(what: str):
    assert instructions_each(BENCH / "counted", what) <= IN_C[what]


@x86_64
def test_instructions_of_an_http_hello():
    """Those of the client, and a look at the kernel's events of each, included."""
    program = BENCH / "counted_http"
    if not program.exists():
        pytest.skip("this build has no HTTP: install libllhttp-dev or node-llhttp")
    assert instructions_each(program) <= AN_HTTP_HELLO


@x86_64
@pytest.mark.parametrize("what", IN_PYTHON)
def test_instructions_in_python(what: str, in_python: dict[str, str]):
    version = subprocess.check_output(
        [PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], text=True
    )
    if version.split() != ["3", "11"]:
        pytest.skip(
            "instructions are those of CPython 3.11; a build for it runs this"
        )
    assert instructions_each(PYTHON, PY_COUNTED, what, **in_python) <= IN_PYTHON[what]


@pytest.mark.parametrize("what", IN_C)
def test_nothing_is_allocated_after_the_first_times(what: str):
    printed = subprocess.check_output([BENCH / "counted", what, "10000"], text=True)
    assert int(printed) == 0


#: How often memory is asked for, of CPython's allocators and malloc together.
PYTHON_ALLOCATIONS = {"queue": 0, "channel": 0, "pool": 4.1}


@pytest.mark.parametrize("what", PYTHON_ALLOCATIONS)
def test_allocations_in_python(what: str, in_python: dict[str, str]):
    """A hand-over takes none; a spawned greenlet its object, what goes with it,
    the frames it was spawned from, and its place in the pool."""
    memcheck = ["valgrind", "--leak-check=no", "--undef-value-errors=no"]

    def count(times: int) -> int:
        command = [*memcheck, PYTHON, PY_COUNTED, what, str(times)]
        said = reported(command, **in_python, PYTHONMALLOC="malloc")
        usage = said.rsplit("total heap usage: ", 1)[1]
        return int(usage.split()[0].replace(",", ""))

    assert growth(count, 1_000, 3_000) <= PYTHON_ALLOCATIONS[what]


#: How many waits for many requests there are is a matter of how many clients
#: the system lets run between two: 0.02 to 0.06 a request.
ECHOED = {"work": 2.005, "strace": 2.2}


@pytest.mark.parametrize("what", ECHOED)
def test_an_echoed_request_takes_two_system_calls(what: str):
    """A recv, a send, and a share of a wait for many."""
    if not shutil.which("strace"):
        pytest.skip("system calls are counted by strace: apt-get install strace")
    printed = subprocess.check_output([BENCH / "echo", "100", what], text=True)
    assert float(printed.split()[1]) <= ECHOED[what]


def test_a_call_on_a_ready_socket_is_one_system_call(
    in_python: dict[str, str], tmp_path: Path
):
    """py_counted.py sends and receives by turns, so often."""
    if not shutil.which("strace"):
        pytest.skip("system calls are counted by strace: apt-get install strace")

    def count(times: int) -> int:
        log = tmp_path / str(times)
        command = [PYTHON, PY_COUNTED, "socket", str(times)]
        reported(["strace", "-f", "-o", log, *command], **in_python)
        return len(log.read_text().splitlines())

    assert growth(count, 100, 2_100) == pytest.approx(2, abs=0.01)


def available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def test_guarded_stacks_share_mappings():
    count = 1_000_000 if available_memory() > 8 << 30 else 200_000
    printed = subprocess.check_output([BENCH / "parked", str(count)], text=True)
    figures = dict(line.split()[:2] for line in printed.splitlines())
    maps = next(float(figures[name]) for name in figures if name.endswith("_maps"))
    assert maps < 100
