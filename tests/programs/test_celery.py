"""celery's gevent worker, over Redis and over RabbitMQ, while all sorts of things
become of the broker and of itself."""

import gc
import importlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import servers
from asking import until
from runtimes import HANG, PROGRAMS, Runtime
from servers import python_command

TASKS = 1000


class Broker:
    """A broker that can be restarted."""

    def __init__(self, address: str, end: Callable, start: Callable) -> None:
        self.address = address
        self.end, self.start = end, start


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """One of the test's own, of the kind that it names."""
    if request.param == "amqp":
        rabbitmq = request.getfixturevalue("rabbitmq")
        yield Broker(
            f"amqp://127.0.0.1:{rabbitmq.port}//", rabbitmq.end, rabbitmq.start
        )
    else:
        with servers.RestartedRedis.running() as redis:
            yield Broker(f"redis://127.0.0.1:{redis.port}/0", redis.end, redis.start)


@pytest.fixture
def tasks(
    broker: Broker, redis: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The worker's tasks, as their callers see them: in this process, on plain
    threads."""
    pytest.importorskip("celery", reason="no celery: run tools/setup programs")
    monkeypatch.setenv("BROKER", broker.address)
    monkeypatch.setenv("RESULTS", f"redis://127.0.0.1:{redis}/2")
    monkeypatch.syspath_prepend(PROGRAMS)
    module = importlib.import_module("celery_tasks")
    yield module
    gc.collect()  # results say good-bye to the server, which is there still
    module.app.close()
    del sys.modules["celery_tasks"]


def results(sent: list) -> list:
    """What tasks came to, once all have ended. They are asked for their states: a
    caller that waits for one after the other sleeps a second now and then."""
    until(lambda: all(one.ready() for one in sent))
    return [one.get(HANG) for one in sent]


@pytest.mark.parametrize("broker", ["redis", "amqp"], indirect=True)
def test_celery(on: Runtime, broker: Broker, tasks: ModuleType, tmp_path: Path) -> None:
    command = [*python_command("celery", "celery"), "-A", "celery_tasks", "worker"]
    command += ["-P", "gevent", "-c", 100, "-l", "info", "--without-mingle"]
    tasks.counts.flushdb()
    with on.started(command, quiet=False) as worker:
        worker.wait_for(lambda: " ready." in worker.log.read_text())

        # A thousand tasks, a hundred at a time.
        sent = [tasks.add.delay(n, 1) for n in range(TASKS)]
        assert sum(results(sent)) == sum(range(TASKS)) + TASKS
        assert tasks.retried.delay().get(HANG) == 2
        with pytest.raises(ValueError, match="spoken"):
            tasks.failing.delay("spoken").get(HANG)

        # A hundred that wait are all under way.
        door = tmp_path / "door"
        held = [tasks.held.delay("held", str(door)) for _ in range(100)]
        until(lambda: tasks.counts.scard("held") == 100)
        door.touch()
        assert set(results(held)) == {worker.process.pid}

        # One that is revoked before its time has come.
        revoked = tasks.add.apply_async((1, 1), countdown=1)
        revoked.revoke()
        with pytest.raises(tasks.celery.exceptions.TaskRevokedError):
            revoked.get(HANG)

        # The broker goes, and comes back.
        broker.end()
        until(lambda: "Connection to broker lost" in worker.log.read_text())
        broker.start()
        again = [tasks.add.delay(n, 2) for n in range(100)]
        assert sum(results(again)) == sum(range(100)) + 200

        # A warm shutdown: what is under way is ended first.
        stop = tmp_path / "stop"
        last = [tasks.held.delay("last", str(stop)) for _ in range(10)]
        until(lambda: tasks.counts.scard("last") == 10)
        worker.process.send_signal(signal.SIGTERM)
        until(lambda: "Warm shutdown" in worker.log.read_text())
        assert worker.process.poll() is None
        stop.touch()
        assert set(results(last)) == {worker.process.pid}
        assert worker.process.wait(HANG) == 0
