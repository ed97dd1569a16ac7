"""The thread that watches a hub, for code that blocks it and for memory."""

import io
import subprocess
import sys
import threading
import time

import grove
import pytest
from grove import _core, config, events
from grove.monitoring.thread import PeriodicMonitoringThread


@pytest.fixture
def settings():
    names = ("max_blocking_time", "max_memory_usage", "print_blocking_reports")
    before = {name: getattr(config, name) for name in names}
    config.max_blocking_time = 0.02
    yield config
    for name, value in before.items():
        setattr(config, name, value)


@pytest.fixture
def told():
    seen, condition = [], threading.Condition()

    def subscriber(event):
        with condition:
            seen.append(event)
            condition.notify_all()

    events.subscribers.append(subscriber)

    def seen_of(kind, wanted):
        return [e for e in seen if isinstance(e, kind) and wanted(e)]

    def block_until(kind, wanted=lambda event: True):
        """Blocks the hub until an event of that kind that is wanted has come."""
        with condition:
            assert condition.wait_for(lambda: seen_of(kind, wanted), timeout=60)
        return seen_of(kind, wanted)[0]

    yield seen, block_until
    events.subscribers.remove(subscriber)


@pytest.fixture
def hub(settings, told):
    hub = grove.get_hub()
    hub.exception_stream = io.StringIO()
    yield hub
    del hub.exception_stream
    if hub.periodic_monitoring_thread is not None:
        hub.periodic_monitoring_thread.kill()
        hub.periodic_monitoring_thread = None


class WithoutThread(PeriodicMonitoringThread):
    """Its functions are there to be called; its own thread ends at once."""

    def __call__(self):
        pass


@pytest.fixture
def unhurried(hub, settings):
    """A monitor to which every greenlet that runs has run too long."""
    settings.max_blocking_time = 1e-9
    monitor = WithoutThread(hub)
    yield monitor
    monitor.kill()


def on_another_thread(function):
    """What function returns there, while the hub of this one is held up."""
    returned = []
    thread = threading.Thread(target=lambda: returned.append(function()))
    thread.start()
    thread.join()
    return returned[0]


def test_who_blocks_the_hub_is_told_of(hub, told):
    monitor = hub.start_periodic_monitoring_thread()
    assert hub.start_periodic_monitoring_thread() is monitor
    seen, block_until = told
    assert isinstance(seen[0], events.PeriodicMonitorThreadStartedEvent)
    assert seen[0].monitor is monitor

    def blocks_the_hub():
        # Who spawned it may have been held up before, on a busy machine.
        current = grove.getcurrent()
        return block_until(
            events.EventLoopBlocked, lambda event: event.greenlet is current
        )

    greenlet = grove.spawn(blocks_the_hub)
    event = greenlet.get()
    assert event.greenlet is greenlet and event.hub is hub
    assert event.blocking_time == 0.02
    assert any("blocks_the_hub" in line for line in event.info)
    with grove.Timeout(60):
        while "blocks_the_hub" not in hub.exception_stream.getvalue():
            grove.sleep(0.001)


def test_without_a_printed_report(hub, told, settings):
    settings.print_blocking_reports = False
    hub.start_periodic_monitoring_thread()
    told[1](events.EventLoopBlocked)
    assert hub.exception_stream.getvalue() == ""


def test_who_waits_does_not_block(hub, unhurried):
    def look():
        while not _core.switch_figures(hub)[7]:
            time.sleep(0.001)  # until the hub sleeps, which it tells nobody
        return unhurried.monitor_blocking(hub)

    assert hub.threadpool.apply(look) is None


def test_who_gives_others_a_turn_has_not_run_before_it(hub, unhurried):
    def since_switch():
        return _core.switch_figures(hub)[2]

    def gives_a_turn():
        time.sleep(0.5)
        before = since_switch()
        grove.sleep(0)
        return before

    before, after = grove.spawn(gives_a_turn), grove.spawn(since_switch)
    assert before.get() >= 0.5 and after.get() < before.get()


def test_once_a_time(hub, told, unhurried):
    def look_twice():
        return unhurried.monitor_blocking(hub), unhurried.monitor_blocking(hub)

    first, second = on_another_thread(look_twice)
    assert first and second is None
    assert len([e for e in told[0] if isinstance(e, events.EventLoopBlocked)]) == 1


def test_functions_may_be_added(hub):
    monitor = hub.start_periodic_monitoring_thread()
    called = threading.Event()
    hubs = []

    def function(hub):
        hubs.append(hub)
        called.set()

    monitor.add_monitoring_function(function, 0.01)
    assert called.wait(60) and hubs[0] is hub
    assert function in [entry.function for entry in monitor.monitoring_functions()]
    monitor.add_monitoring_function(function, None)
    assert function not in [e.function for e in monitor.monitoring_functions()]
    for bad in ((3, 1), (function, 0), (function, -1)):
        with pytest.raises(ValueError):
            monitor.add_monitoring_function(*bad)
    assert 0 < monitor.calculate_sleep_time() <= 0.02
    assert "PeriodicMonitoringThread" in repr(monitor) and monitor.hub is hub


def test_memory(hub, told, settings):
    monitor = PeriodicMonitoringThread(hub)
    try:
        assert monitor.can_monitor_memory_usage()
        settings.max_memory_usage = None
        assert monitor.monitor_memory_usage(hub) == -1
        settings.max_memory_usage = 1
        used = monitor.monitor_memory_usage(hub)
        assert used > 1_000_000
        settings.max_memory_usage = used * 100
        assert monitor.monitor_memory_usage(hub) > 0
    finally:
        monitor.kill()
    over, under = [e for e in told[0] if hasattr(e, "mem_usage")]
    assert isinstance(over, events.MemoryUsageThresholdExceeded)
    assert over.mem_usage == used and over.max_allowed == 1
    assert isinstance(under, events.MemoryUsageUnderThreshold)
    assert under.max_memory_usage == used and "rss" in under.memory_info


def test_by_configuration():
    program = (
        "import time, grove\n"
        "def blocks(): time.sleep(1)\n"
        "grove.spawn(blocks).join()\n"
        "assert grove.get_hub().periodic_monitoring_thread\n"
    )
    import os

    result = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "GEVENT_MONITOR_THREAD_ENABLE": "1",
            "GEVENT_MAX_BLOCKING_TIME": "0.05",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "appears to be blocked" in result.stderr
    assert "in blocks" in result.stderr
