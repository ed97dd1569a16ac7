"""grove.metrics: the numbers of all hubs, as Prometheus reads them."""

import re
import threading
from time import sleep as time_sleep

import grove
import grove.event
import grove.stalls
import pytest
from grove import socket
from grove.resolver.thread import Resolver


def numbers() -> dict[str, float]:
    """By name and labels."""
    lines = [line for line in grove.metrics().splitlines() if not line.startswith("#")]
    return {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines)}


def of_this_thread(name: str) -> float:
    thread = threading.get_native_id()
    (found,) = (
        value
        for key, value in numbers().items()
        if re.fullmatch(rf'grove_hub_{name}{{hub="\d+",thread="{thread}"}}', key)
    )
    return found


def test_what_greenlets_did_is_counted():
    grove.sleep(0)
    spawned, switches = of_this_thread("fibers_spawned_total"), of_this_thread("switches_total")
    live = of_this_thread("fibers")
    waiting = [grove.spawn(grove.sleep, 60) for _ in range(5)]
    grove.sleep(0)
    assert of_this_thread("fibers_spawned_total") == spawned + 5
    assert of_this_thread("fibers") == live + 5
    assert of_this_thread("switches_total") >= switches + 5
    assert of_this_thread("timers") >= 5
    grove.killall(waiting)
    assert of_this_thread("fibers") == live


def test_polls_are_counted():
    before = of_this_thread("polls_total")
    for _ in range(10):
        grove.sleep(0.001)
    assert before + 10 <= of_this_thread("polls_total") < before + 1000


def test_stalls_are_counted(capfd):
    """Each, though a line a second is written at most. Of the first it may not be known
    whether the thread had a processor."""

    def stalls() -> float:
        return sum(value for key, value in numbers().items() if key.startswith("grove_stalls_total{"))

    def hold_up() -> None:
        for _ in range(4):
            grove.sleep(0.002)
            time_sleep(0.06)
        grove.sleep(0.002)

    before, limit = stalls(), grove.stalls.limit(0.01)
    try:
        grove.spawn(hold_up).join()
    finally:
        grove.stalls.limit(limit)
    assert before + 3 <= stalls()
    assert len(re.findall("(held|holds) up thread", capfd.readouterr().err)) <= 1


def test_waits_are_counted_by_kind():
    before = numbers()
    grove.sleep(0.001)
    grove.spawn(grove.event.Event().wait, 0.001).join()
    a, b = socket.socketpair()
    grove.spawn(b.send, b"x")
    a.recv(1)
    a.close()
    b.close()
    for kind, more in {"sleep": 1, "sync": 1, "end": 1, "descriptor": 1}.items():
        (key,) = (
            key
            for key in before
            if re.fullmatch(
                rf'grove_hub_waits_total{{hub="\d+",thread="{threading.get_native_id()}"'
                rf',kind="{kind}"}}',
                key,
            )
        )
        assert numbers()[key] == before[key] + more, kind


def test_questions_about_names_are_counted(monkeypatch):
    kinds = ["questions", "answers", "failures", "timeouts"]
    before = [of_this_thread(f"dns_{kind}_total") for kind in kinds]
    resolver = Resolver()
    resolver.getaddrinfo("localhost", 80)
    with pytest.raises(OSError):
        resolver.gethostbyaddr("not.an.address.invalid")
    with grove.Timeout(0.01, False):
        resolver_that_waits(monkeypatch).gethostbyname("silent.test")
    after = [of_this_thread(f"dns_{kind}_total") for kind in kinds]
    assert [now - then for now, then in zip(after, before, strict=True)] == [3, 1, 1, 1]
    assert of_this_thread("dns_seconds_total") > 0


def resolver_that_waits(monkeypatch):
    """One whose answers do not come."""
    from grove.resolver import thread

    monkeypatch.setattr(thread, "run_in_thread", lambda *args: grove.sleep(60))
    return Resolver()


def test_the_release_is_told():
    assert numbers()[f'grove_info{{version="{grove.grove_version}"}}'] == 1
