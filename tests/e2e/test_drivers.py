"""Drivers in C, beside their real servers: after patch_all(libc=True) their waits
overlap, and Timeouts end them."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT, environment

sys.path.append(str(ROOT / "tests" / "programs"))
import servers  # noqa: E402

PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)
HANG = 60
N = 50
WAIT = 0.5  # seconds, of each

# connect(), and query(connection, seconds): 7 after so many seconds.
PSYCOPG2 = """
import psycopg2

def connect():
    return psycopg2.connect(host="127.0.0.1", port=PORT, user="postgres")

def query(connection, seconds):
    cursor = connection.cursor()
    cursor.execute("select 7, pg_sleep(%s)", (seconds,))
    return cursor.fetchone()[0]
"""

MYSQLDB = """
import MySQLdb

def connect():
    return MySQLdb.connect(host="127.0.0.1", port=PORT, user="root")

def query(connection, seconds):
    cursor = connection.cursor()
    cursor.execute("select 7 + sleep(%s)", (seconds,))
    return cursor.fetchone()[0]
"""

PYCURL = """
import io
import pycurl

def connect():
    return pycurl.Curl()

def query(connection, seconds):
    body = io.BytesIO()
    connection.setopt(pycurl.URL, f"http://localhost:{PORT}/{seconds}")
    connection.setopt(pycurl.WRITEDATA, body)
    connection.perform()
    return int(body.getvalue())
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
    """A site that answers 7, after as many seconds as it is asked for."""
    site = """
import http.server, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(float(self.path[1:]))
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"7")

    def log_message(self, *args):
        pass

class Site(http.server.ThreadingHTTPServer):
    request_queue_size = 128

with Site(("127.0.0.1", 0), Handler) as site:
    print(site.server_address[1], flush=True)
    site.serve_forever()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", site], stdout=subprocess.PIPE, text=True
    )
    yield int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def postgresql() -> Iterator[int]:
    with servers.postgresql() as port:
        yield port


@pytest.fixture
def mariadb() -> Iterator[int]:
    with servers.mariadb() as port:
        yield port


@dataclass
class Driver:
    module: str
    package: str
    server: str  # a fixture
    source: str


DRIVERS = {
    "psycopg2": Driver("psycopg2", "python3-psycopg2", "postgresql", PSYCOPG2),
    "mysqlclient": Driver("MySQLdb", "python3-mysqldb", "mariadb", MYSQLDB),
    "pycurl": Driver("pycurl", "python3-pycurl", "slow", PYCURL),
}


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
    head = "import time\nimport gevent\n"
    numbers = f"PORT, N, WAIT, HANG = {port}, {N}, {WAIT}, {HANG}\n"
    path = folder / "program.py"
    path.write_text(textwrap.dedent(head + numbers + driver.source + program))
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
