"""gunicorn's gevent workers, on the names that build/compat gives."""

import http.client
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EXAMPLES, environment, free_port, wait_for_port

GUNICORN = shutil.which("gunicorn", path="/usr/bin") or shutil.which("gunicorn")

pytestmark = pytest.mark.skipif(
    GUNICORN is None, reason="the server is missing: apt-get install gunicorn"
)

NO_FLASK = "the pages are made by Flask: apt-get install python3-flask"


def ask(port: int, path: str) -> http.client.HTTPConnection:
    """A connection that a page has been asked for on."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    return connection


def answer(connection: http.client.HTTPConnection) -> str:
    try:
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def check(start: Callable, folder: Path, worker: str, app: str, slow: str, quick: str):
    """quick answers while slow, asked for earlier, sleeps; gunicorn ends well."""
    port = free_port()
    process = start(
        [GUNICORN, "-k", worker, "-b", f"127.0.0.1:{port}", app],
        cwd=folder,
        env=environment("compat"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for_port(port)
    answer(ask(port, quick))  # the worker has started
    # The one worker accepts connections in their order: slow is its first.
    waiting = ask(port, slow)
    assert answer(ask(port, quick)) == quick[1:]
    ready, _, _ = select.select([waiting.sock], [], [], 0)
    assert not ready, "slow had ended: quick had waited for it"
    assert answer(waiting) == slow[1:]

    process.terminate()
    assert process.wait(15) == 0
    log = process.stdout.read()
    assert "Traceback" not in log
    # It was ours, not a gevent that is installed.
    assert "grove.socket.socket" in log or "s10" not in app


@pytest.mark.parametrize(
    "worker", ["gevent", "gevent_pywsgi", "grove.gunicorn.Worker"]
)
def test_flask_app(start: Callable, worker: str) -> None:
    pytest.importorskip("flask", reason=NO_FLASK)
    check(start, EXAMPLES, worker, "flask_app:app", "/slow", "/quick")


def test_s10(start: Callable, seeds: Path) -> None:
    pytest.importorskip("flask", reason=NO_FLASK)
    check(start, seeds, "gevent", "s10_flask_app:app", "/for", "/bar")
