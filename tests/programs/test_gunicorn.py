"""gunicorn's own operations with its gevent workers: what is being answered is
answered, whatever becomes of the worker."""

import signal
import ssl
from pathlib import Path

import pytest
from asking import ask, crowd, until
from endpoints import make_certificate
from runtimes import Runtime
from servers import free_port, python_command

WORKERS = pytest.mark.parametrize("worker", ["gevent", "gevent_pywsgi"])


def command(worker: str, port: int, *options: object) -> list[object]:
    """gunicorn's command line."""
    gunicorn = python_command("gunicorn", "gunicorn")
    # On a loaded machine it takes a client a while to ask, once it is connected.
    address = ["-b", f"127.0.0.1:{port}", "--keep-alive", 60]
    return [*gunicorn, "-k", worker, *address, *options, "waiting_pages:application"]


@WORKERS
def test_reload_and_stop(on: Runtime, worker: str, tmp_path: Path) -> None:
    """SIGHUP replaces the worker and SIGTERM ends it, once it has answered; over
    TLS."""
    certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    port = free_port()
    options = ["--certfile", certificate, "--keyfile", certificate]
    first, second = tmp_path / "first", tmp_path / "second"
    with (
        on.serving(command(worker, port, *options), port) as server,
        crowd(port, context) as clients,
    ):
        old = ask(port, "/pid", context=context)
        assert ask(port, "/echo", b"x" * 100_000, context) == "x" * 100_000
        waiting = [clients.ask(f"/wait{first}") for _ in range(5)]
        # They have been accepted before this one, which is answered.
        assert ask(port, "/pid", context=context) == old
        server.process.send_signal(signal.SIGHUP)
        until(lambda: ask(port, "/pid", context=context) != old)
        assert not any(asked.done() for asked in waiting)
        first.touch()
        assert [asked.result(60) for asked in waiting] == [old] * 5
        until(lambda: not Path(f"/proc/{old}").exists())

        new = ask(port, "/pid", context=context)
        waiting = [clients.ask(f"/wait{second}") for _ in range(5)]
        assert ask(port, "/pid", context=context) == new
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "Handling signal: term" in server.log.read_text())
        assert not any(asked.done() for asked in waiting)
        second.touch()
        assert [asked.result(60) for asked in waiting] == [new] * 5
        server.process.wait(60)


def test_max_requests(on: Runtime) -> None:
    """A worker that has answered its number of requests is replaced, and all are
    answered all the same; gevent_pywsgi's does not count them."""
    port = free_port()
    pids: set[str] = set()
    with on.serving(command("gevent", port, "--max-requests", 20), port):
        with crowd(port) as clients:
            until(lambda: pids.update(clients.ask_all(["/pid"] * 30)) or len(pids) > 1)
