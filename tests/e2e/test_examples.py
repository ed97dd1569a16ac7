"""The example programs, as their first lines say to run them."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable

from conftest import EXAMPLES, PAGES, Site, environment

Run = Callable[..., str]


def test_switch_order(run: Run) -> None:
    assert run(EXAMPLES / "switch_order.py").splitlines() == [
        "foo: first words",
        "bar: first words",
        "foo: last words",
        "bar: last words",
    ]


def test_subclass(run: Run) -> None:
    assert run(EXAMPLES / "subclass.py").splitlines() == [
        "large: on",
        "small: on",
        "small: boils",
        "first: small",
        "large: boils",
    ]


def test_join_value(start: Callable) -> None:
    process = start(
        [sys.executable, str(EXAMPLES / "join_value.py")],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = process.communicate(timeout=30)
    assert output.splitlines() == [
        "value: 2.0",
        "raised: division by zero",
        "still running: True",
        "killed: True",
    ]
    # The exception that a greenlet ends with is told of.
    assert "ZeroDivisionError" in errors


def test_patched_sleep(run: Run) -> None:
    one_by_one, at_once = map(
        float, re.findall(r"([\d.]+) s", run(EXAMPLES / "patched_sleep.py"))
    )
    assert one_by_one >= 1.0
    assert at_once < one_by_one / 2


def test_producer_consumer(run: Run) -> None:
    assert run(EXAMPLES / "producer_consumer.py").splitlines() == [
        f"{word} {n}" for n in range(1, 4) for word in ("produce", "consume")
    ]


def test_echo_server(start: Callable) -> None:
    process = start(
        [sys.executable, str(EXAMPLES / "echo_server.py")],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    port = int(process.stdout.readline())
    clients = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(50)]
    for i, client in enumerate(clients):
        client.sendall(b"line %d" % i)
    for i, client in reversed(list(enumerate(clients))):
        assert client.recv(100) == b"line %d" % i
        client.close()


def test_fetch(run: Run, site: Site) -> None:
    output = run(EXAMPLES / "fetch.py", *[site.address + path for path in PAGES])
    assert sorted(output.splitlines()) == sorted(
        f"200 1000 bytes from {site.address}{path}" for path in PAGES
    )
    assert site.most == len(PAGES)


def test_crawler(run: Run, site: Site) -> None:
    *pages, last = run(EXAMPLES / "crawler.py", site.address + "/").splitlines()
    first, *others = [line.split()[-1] for line in pages]
    assert first == site.address + "/"
    assert sorted(others) == sorted(site.address + path for path in PAGES)
    assert site.most == len(PAGES)
    assert re.fullmatch(r"4 pages in [\d.]+ s", last)
