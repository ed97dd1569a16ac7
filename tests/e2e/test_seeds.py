"""The users' programs, unchanged, under python -m grove."""

import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PAGES, Site, environment, free_port, wait_for_port

Run = Callable[..., str]


def test_s01_alternates(seeds: Path, run: Run) -> None:
    assert run(seeds / "s01_switch_order.py").splitlines() == [
        "running in foo",
        "running in bar",
        "com back from bar in to foo",
        "com back from foo in to bar",
    ]


def test_s02_all_tasks_are_done(seeds: Path, run: Run) -> None:
    one_by_one, at_once = run(seeds / "s02_sync_async.py").split("Asynchronous:\n")
    assert one_by_one.splitlines() == ["Synchronous:"] + [
        f"Task {i} done" for i in range(1, 10)
    ]
    assert sorted(at_once.splitlines()) == [f"Task {i} done" for i in range(10)]


def test_s03_the_shorter_sleep_ends_first(seeds: Path, run: Run) -> None:
    assert run(seeds / "s03_greenlet_subclass.py").splitlines() == [
        "hello start",
        "world start",
        "world end",
        "hello end",
    ]


def test_s04_requests_fetches_at_once(seeds: Path, run: Run, site: Site) -> None:
    urls = [site.address + path for path in PAGES]
    output = run(seeds / "s04_patched_requests.py", *urls)
    # Answered the last first; what has come by then is printed in any order.
    assert sorted(output.splitlines()) == [
        f"1000 bytes received from {url}" for url in urls
    ]
    assert site.most == len(PAGES)


def test_s05_prints_the_value(seeds: Path, run: Run) -> None:
    assert run(seeds / "s05_join_value.py").splitlines() == [
        "egon eat 1",
        "egon play 1",
        "egon play 2",
        "egon eat 2",
        "eaten",
        "主",
    ]


def test_s06_takes_the_time_of_one_sleep(seeds: Path, start: Callable) -> None:
    process = start(
        [sys.executable, "-m", "grove", str(seeds / "s06_patched_sleep.py")],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    when = {}
    for line in process.stdout:
        when.setdefault(line.strip(), []).append(time.monotonic())
    one_by_one = when["Asynchronous:"][0] - when["Synchronous:"][0]
    last = max(when[f"Task {i} done"][1] for i in range(3))
    at_once = last - when["Asynchronous:"][0]
    # Of three sleeps; if only two of them were at once, of two in the end.
    assert one_by_one > 1.5 * at_once


@pytest.fixture
def echo_port(seeds: Path, start: Callable) -> int:
    """The port that the users' echo server listens on."""
    port = free_port()
    start(
        [sys.executable, "-m", "grove", str(seeds / "s07_echo_server.py"), str(port)],
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    wait_for_port(port)
    return port


def test_s07_serves_five_threads_clients(seeds: Path, echo_port: int) -> None:
    # The clients' threads are not ours: plain Python.
    output = subprocess.run(
        [sys.executable, str(seeds / "s07_echo_clients.py"), str(echo_port), "20"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    said = re.findall(r"THREAD-(\d) \(CLIENT\) SAY HELLO (\d+)", output)
    wanted = [(str(t), str(n)) for t in range(1, 6) for n in range(20)]
    assert sorted(said) == sorted(wanted)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """So many for us, and for what is started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_s07_serves_1000_connections_at_once(
    many_descriptors: None, echo_port: int
) -> None:
    clients = []
    try:
        for _ in range(1000):
            # Answered before the next one comes: the queue of those who wait to
            # be accepted has room for five, and drops who comes then.
            clients.append(socket.create_connection(("127.0.0.1", echo_port), 60))
            clients[-1].sendall(b"here")
            assert clients[-1].recv(100) == b"HERE"
        for i, client in enumerate(clients):
            client.sendall(b"message %d" % i)
        # The last first, so that no order helps.
        for i, client in reversed(list(enumerate(clients))):
            assert client.recv(100) == b"MESSAGE %d" % i
    finally:
        for client in clients:
            client.close()


def test_s08_alternates_on_one_thread(seeds: Path, run: Run) -> None:
    lines = run(seeds / "s08_same_thread.py").splitlines()
    threads = {re.search(r"Thread (\d+)", lines[i])[1] for i in (0, 2)}
    assert len(threads) == 1
    assert "foo" in lines[0] and "bar" in lines[2]
    assert [lines[1], *lines[3:]] == [
        "Running in foo",
        "Explicit context to bar",
        "Explicit context switch to foo again",
        "Implicit context switch back to bar",
    ]


def test_s09_shows_another_class(seeds: Path, run: Run) -> None:
    before, after = run(seeds / "s09_patch_options.py").splitlines()
    assert before == "<class 'socket.socket'>"
    assert after.startswith("<class '") and after != before


def test_s11_alternates(seeds: Path, run: Run) -> None:
    assert run(seeds / "s11_producer_consumer.py").splitlines() == [
        f"{word} {n}" for n in range(1, 11) for word in ("Produce", "Consume")
    ]


@pytest.mark.parametrize("site", [False], indirect=True)
def test_s12_fetches_one_by_one_and_at_once(seeds: Path, run: Run, site: Site) -> None:
    output = run(seeds / "s12_crawler.py", *[site.address + path for path in PAGES])
    one_by_one = float(re.search(r"sequential ([\d.]+)", output)[1])
    at_once = float(re.search(r"concurrent ([\d.]+)", output)[1])
    assert one_by_one >= 0.3 * len(PAGES) and one_by_one > at_once >= 0.3
    assert site.most == len(PAGES)
    assert output.count("bytes received from") == 2 * len(PAGES)


def test_s13_greenlets_take_turns(seeds: Path, run: Run) -> None:
    lines = run(seeds / "s13_getcurrent.py").splitlines()
    assert [line.split()[1] for line in lines] == ["1", "2"] * 3
    assert len({line.split(maxsplit=2)[2] for line in lines}) == 2
