"""Programs on several machines, whose network is bad and which are killed midway."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from asking import until
from hosts import Host, network
from runtimes import Runtime
from servers import Running, folder, launch, program, python_command, rabbitmq_at

DELAY, LOSS = 0.02, 0.05
PAGE_PORT, PROXY_PORT = 8000, 8080  # of hosts that have all ports
TASKS = 300
PAGES = 200
WAITING = 20  # at once, at most: noted_pages.py


@contextlib.contextmanager
def on_host(
    host: Host, command: list, log: Path, env: dict[str, str]
) -> Iterator[Running]:
    """While a command runs on a host, however it ends."""
    server = launch(host.command(command), log, env=env, cwd=Path(__file__).parent / "driven")
    try:
        yield server
    finally:
        server.end()


def count(notes: Path, asking: Running) -> int:
    """How many notes there are, while somebody asks."""
    assert asking.process.poll() is None, asking.log.read_text()
    return len(list(notes.iterdir()))


NGINX = """
daemon off;
worker_processes 1;
error_log stderr;
pid {home}/pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {home};
    proxy_temp_path {home};
    fastcgi_temp_path {home};
    uwsgi_temp_path {home};
    scgi_temp_path {home};
    upstream pages {{
        server {one}:{port} max_fails=0;
        server {other}:{port} max_fails=0;
    }}
    server {{
        listen {here}:{proxy};
        location / {{ proxy_pass http://pages; proxy_connect_timeout 20s; }}
    }}
}}
"""


def test_pages_of_two_servers(on: Runtime, tmp_path: Path) -> None:
    """Behind nginx; one of them is killed and started again. Each request is answered
    once or failed, and none is done twice."""
    notes = tmp_path / "notes"
    notes.mkdir()
    with network(3, DELAY, LOSS) as (here, one, other), folder() as home:
        env = on.environment(command=True) | {"NOTES": str(notes)}
        config = home / "nginx.conf"
        config.write_text(
            NGINX.format(
                home=home, here=here.address, one=one.address, other=other.address,
                port=PAGE_PORT, proxy=PROXY_PORT,
            )
        )  # fmt: skip
        home.chmod(0o777)  # nginx's workers are somebody else
        proxy = [program("nginx", "nginx"), "-c", config, "-e", "stderr", "-p", home]
        with contextlib.ExitStack() as stack:

            def start(host: Host, command: list, log: str) -> Running:
                return stack.enter_context(on_host(host, command, tmp_path / log, env))

            def serve(host: Host, log: str) -> Running:
                words = python_command("gunicorn", "gunicorn")
                words += ["-k", "gevent", "-b", f"{host.address}:{PAGE_PORT}"]
                server = start(host, [*words, "noted_pages:application"], log)
                server.wait_for(lambda: here.reaches(host, PAGE_PORT))
                return server

            first = serve(one, "first")
            serve(other, "second")
            nginx = start(here, proxy, "nginx")
            nginx.wait_for(lambda: here.reaches(here, PROXY_PORT))
            client = on.command("noted_pages.py", here.address, PROXY_PORT, PAGES)
            asking = start(here, client, "client")
            until(lambda: count(notes, asking) > PAGES / 3)
            os.killpg(first.process.pid, signal.SIGKILL)  # master and worker at once
            first.end(signal.SIGKILL)
            until(lambda: count(notes, asking) > PAGES / 2)
            serve(one, "again")
            until(lambda: asking.process.poll() is not None)
            assert asking.process.returncode == 0, asking.log.read_text()
            answers = [line.split() for line in asking.log.read_text().splitlines()]
        assert sorted(int(words[0]) for words in answers) == list(range(PAGES))
        answered = [words for words in answers if words[1] == "200"]
        assert all(number == body for number, _, body in answered)
        assert {words[1] for words in answers} <= {"200", "502", "504", "broken"}
        # What failed is what the killed one had, and it was not asked again.
        assert len(answered) >= PAGES - WAITING
        done = {note.name: note.read_text() for note in notes.iterdir()}
        assert {number for number, *_ in answered} <= set(done)
        assert set(done.values()) == {"asked\n"}
        assert "200" in {words[1] for words in answers[-20:]}


def test_tasks_of_killed_workers(on: Runtime, tmp_path: Path) -> None:
    """celery over RabbitMQ: a worker is killed midway and another started, and then
    the broker. What the broker has confirmed is done, once at least."""
    notes = tmp_path / "notes"
    notes.mkdir()
    with contextlib.ExitStack() as stack:
        here, there, third = stack.enter_context(network(3, DELAY, LOSS))
        broker = stack.enter_context(rabbitmq_at(third))
        env = on.environment(command=True) | {
            "NOTES": str(notes),
            "BROKER": f"amqp://{third.address}:{broker.port}//",
        }

        def start(host: Host, command: list, log: str) -> Running:
            return stack.enter_context(on_host(host, command, tmp_path / log, env))

        def work(log: str) -> Running:
            words = [*python_command("celery", "celery"), "-A", "celery_durable"]
            words += ["worker", "-P", "gevent", "-c", "20", "-l", "info"]
            words += ["--without-mingle", "--without-gossip"]
            worker = start(there, words, log)
            worker.wait_for(lambda: " ready." in worker.log.read_text())
            return worker

        def noted(line: str) -> dict[str, int]:
            """How often a line was noted, by the numbers of tasks that have it."""
            lines = {n.name: n.read_text().splitlines() for n in notes.iterdir()}
            return {name: all.count(line) for name, all in lines.items() if line in all}

        first = work("first")
        calling = start(here, on.command("celery_durable.py", TASKS), "client")
        until(lambda: len(noted("done")) > TASKS / 4)
        os.killpg(first.process.pid, signal.SIGKILL)
        first.end(signal.SIGKILL)
        work("second")
        until(lambda: len(noted("done")) > TASKS / 2)
        broker.end(signal.SIGKILL)
        broker.start()
        until(lambda: calling.process.poll() is not None)
        assert calling.process.returncode == 0, calling.log.read_text()
        called = set(calling.log.read_text().split())
        assert called == set(map(str, range(TASKS)))
        until(lambda: set(noted("done")) == called)
        # Some were under way when one was killed.
        assert max(noted("begun").values()) > 1
