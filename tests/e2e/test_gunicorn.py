"""gunicorn's gevent workers, on the names that build/compat gives."""

import http.client
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EXAMPLES, environment, free_port, wait_for_port

GUNICORN = shutil.which("gunicorn", path="/usr/bin") or shutil.which("gunicorn")

pytestmark = pytest.mark.skipif(GUNICORN is None, reason="gunicorn is not installed")


def get(port: int, path: str) -> tuple[float, str]:
    """Seconds that a page took, and its text."""
    start = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return time.monotonic() - start, text


def check(start: Callable, folder: Path, worker: str, app: str, slow: str, quick: str):
    """quick answers in milliseconds while slow sleeps 4 s; gunicorn ends well."""
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
    get(port, quick)  # the worker has started
    answers = []
    thread = threading.Thread(target=lambda: answers.append(get(port, slow)))
    thread.start()
    time.sleep(0.5)
    times = []
    for _ in range(5):
        seconds, text = get(port, quick)
        assert text == quick[1:]
        times.append(seconds)
    thread.join()
    assert sorted(times)[2] < 0.1
    assert answers[0][1] == slow[1:]
    assert 4 <= answers[0][0] < 6

    process.terminate()
    assert process.wait(15) == 0
    log = process.stdout.read()
    assert "Traceback" not in log
    # It was ours, not a gevent that is installed.
    assert "grove.socket.socket" in log or "s10" not in app


@pytest.mark.parametrize("worker", ["gevent", "gevent_pywsgi"])
def test_flask_app(start: Callable, worker: str) -> None:
    pytest.importorskip("flask")
    check(start, EXAMPLES, worker, "flask_app:app", "/slow", "/quick")


def test_s10(start: Callable, seeds: Path) -> None:
    pytest.importorskip("flask")
    check(start, seeds, "gevent", "s10_flask_app:app", "/for", "/bar")
