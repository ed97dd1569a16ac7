"""Web applications: on gunicorn's gevent worker, with PostgreSQL; on servers of
their own."""

import pytest
from asking import ask, crowd, until
from runtimes import Runtime
from servers import free_port, program, python_command


@pytest.mark.parametrize("app", ["flask_rows:app", "django_rows:application"])
def test_gunicorn(on: Runtime, app: str, postgresql: int) -> None:
    gunicorn = python_command("gunicorn", "gunicorn")
    port = free_port()
    command = [*gunicorn, "-k", "gevent", "-b", f"127.0.0.1:{port}", app]
    with on.serving(command, port, DATABASE_PORT=str(postgresql)):
        with crowd(port) as clients:
            # Ten wait for a lock of the server's while others are answered.
            waiting = [clients.ask("/enter") for _ in range(10)]
            until(lambda: clients.ask_all(["/waiting"]) == ["10"])
            assert not any(asked.done() for asked in waiting)
            assert clients.ask_all(["/free"]) == ["free"]
            assert [asked.result(60) for asked in waiting] == ["entered"] * 10

            added = [f"/add/{n}" for n in range(1, 51)]
            undone = [f"/undo/{n}" for n in range(1, 51)]
            paths = [path for pair in zip(added, undone) for path in pair]
            assert clients.ask_all(paths) == ["alone", "undone"] * 50
            assert clients.ask_all(["/sum"]) == ["50 1275"]


def test_flask_socketio(on: Runtime) -> None:
    assert on.run("socketio_chat.py", free_port()) == [
        "room 0 True",
        "room 1 True",
        'counted 42["counted",99]',
        "polled True",
        "page",
        '42["counted",0]',
    ]


def test_bottle(on: Runtime) -> None:
    assert on.run("web_frameworks.py", "bottle", free_port()) == ["bottle 100"] * 3


def test_cherrypy(on: Runtime) -> None:
    assert on.run("web_frameworks.py", "cherrypy", free_port()) == [
        *["cherrypy 100"] * 3,
        "EXITING",
    ]


def test_tornado(on: Runtime) -> None:
    assert on.run("tornado_pages.py") == [
        "together 20",
        "echoed True",
        f"talked {[str(n) * 2 for n in range(10)]}",
        "refused 404",
        "ticked True",
    ]


def test_uwsgi(on: Runtime) -> None:
    """Its plugin imports gevent in the interpreter that it holds."""
    port = free_port()
    command = [program("uwsgi-core", "uwsgi-core"), "--plugins", "python3,gevent_python3"]
    command += ["--http-socket", f"127.0.0.1:{port}", "--gevent", 100, "--die-on-term"]
    command += ["--gevent-monkey-patch", "--master", "--module", "flask_together:app"]
    with on.serving(command, port):
        with crowd(port) as clients:
            waiting = [clients.ask("/together/50") for _ in range(49)]
            until(lambda: clients.ask_all(["/here/50"]) == ["49"])
            assert not any(asked.done() for asked in waiting)
            waiting.append(clients.ask("/together/50"))
            assert [asked.result(60) for asked in waiting] == ["together"] * 50
            assert clients.ask_all(["/chunks"] * 50) == ["0123456789"] * 50
        assert ask(port, "/echo", b"x" * 1_000_000) == "x" * 1_000_000
