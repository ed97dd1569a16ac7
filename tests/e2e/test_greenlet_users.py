"""Programs that use greenlet, on ours: SQLAlchemy's asyncio bridge, and the
compiled gevent that is installed beside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

HERE = Path(__file__).resolve().parent / "on_greenlet"
PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)


def output(program: str, *packages: str) -> list[str]:
    for package in packages:
        found = subprocess.run(
            [PYTHON, "-c", f"import {package}"], capture_output=True
        )
        if found.returncode != 0:
            pytest.skip(
                f"{PYTHON} has no {package}; Debian has it for its own Python as "
                f"python3-{package}"
            )
    result = subprocess.run(
        [PYTHON, HERE / program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    # Nothing but what the program expects: no error behind its back.
    stderr = [
        line for line in result.stderr.splitlines() if not line.startswith("Warning")
    ]
    assert result.returncode == 0, result.stderr
    assert "Error" not in "".join(
        line for line in stderr if "KeyError" not in line
    ), result.stderr
    return result.stdout.splitlines()


def test_sqlalchemy_on_aiosqlite():
    assert output("sqlalchemy_async.py", "sqlalchemy", "aiosqlite") == [
        "100 5.7",
        "refused",
        "100",
        "499487 KeyError(13)",
        "cancelled",
    ]


def test_the_installed_gevent():
    lines = output("gevent_tour.py", "gevent")
    assert lines[0].startswith("<Hub ")
    assert lines[1:] == [
        "pool 124750",
        "unordered 124750",
        "queue 4950",
        "semaphore 3",
        "sockets 1225",
        "pages 50",
        "killed True GreenletExit()",
        "timeout 0.001",
        "error 'failed'",
        "threadpool 6",
        "process spoken",
        "thread 190",
        "end",
    ]
