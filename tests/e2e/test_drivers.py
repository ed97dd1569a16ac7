"""Drivers in C, beside their real servers: after patch_all(libc=True) their waits
overlap, and Timeouts end them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, environment

PROGRAMS = ROOT / "tests" / "programs"
sys.path.append(str(PROGRAMS))
import servers  # noqa: E402
from drivers import DRIVERS, Driver  # noqa: E402
from endpoints import Site, Slow, serving  # noqa: E402

PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)
HANG = 60
N = 50
WAIT = 0.5  # seconds, of each

# connect(), and query(connection, seconds): 7 after so many seconds.
HEAD = """
import sys
import time
import gevent
sys.path.append(PROGRAMS)
from drivers import DRIVERS

query = DRIVERS[NAME].query

def connect():
    return DRIVERS[NAME].connect(PORT)
"""

OVERLAP = """
def work():
    return query(connect(), WAIT)

began = time.monotonic()
answers = [g.get() for g in [gevent.spawn(work) for _ in range(N)]]
print(answers.count(7), time.monotonic() - began)
"""

# Ended by a Timeout in the middle of a query; killed; and after that all is well.
ENDED = """
def late():
    with gevent.Timeout(0.05):
        query(connect(), HANG)

def killed():
    query(connect(), HANG)

def ticks():
    while True:
        gevent.sleep(0.001)
        turns.append(1)

turns = []
ticker = gevent.spawn(ticks)
for _ in range(3):
    g = gevent.spawn(late)
    g.join()
    print(type(g.exception).__name__)
    g = gevent.spawn(killed)
    gevent.sleep(0.05)
    g.kill()
    print(type(g.value).__name__)
print(query(connect(), 0), len(turns) > 20)
"""


@pytest.fixture
def slow() -> Iterator[int]:
    with serving(Site(Slow)) as port:
        yield port


@pytest.fixture
def postgresql() -> Iterator[int]:
    with servers.postgresql() as port:
        yield port


@pytest.fixture
def mariadb() -> Iterator[int]:
    with servers.mariadb() as port:
        yield port


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    found = DRIVERS[request.param]
    command = [PYTHON, "-c", f"import {found.module}"]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip(
            f"{PYTHON} has no {found.module}: tools/setup programs installs "
            f"{found.package} for Debian's"
        )
    return found


def run(driver: Driver, port: int, program: str, folder: Path) -> list[str]:
    """The words that the program prints."""
    numbers = f"PORT, N, WAIT, HANG = {port}, {N}, {WAIT}, {HANG}\n"
    named = f"NAME, PROGRAMS = {driver.name!r}, {str(PROGRAMS)!r}\n"
    path = folder / "program.py"
    path.write_text(numbers + named + HEAD + program)
    result = subprocess.run(
        [PYTHON, "-m", "grove", "--libc", path],
        env=environment("compat"),
        capture_output=True,
        text=True,
        timeout=2 * HANG,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_waits_overlap(
    driver: Driver, tmp_path: Path, request: pytest.FixtureRequest
):
    port = request.getfixturevalue(driver.server)
    answered, seconds = run(driver, port, OVERLAP, tmp_path)
    print(f"{driver.module}: {N} of {WAIT} s in {float(seconds):.2f} s")
    assert int(answered) == N
    assert float(seconds) < N * WAIT / 4  # a busy machine's, too


def test_timeouts_and_kills(
    driver: Driver, tmp_path: Path, request: pytest.FixtureRequest
):
    port = request.getfixturevalue(driver.server)
    words = run(driver, port, ENDED, tmp_path)
    assert words == 3 * ["Timeout", "GreenletExit"] + ["7", "True"]
