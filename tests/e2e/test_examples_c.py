"""The example programs in C, as their first lines say to run them."""

import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
from conftest import BUILD

C_EXAMPLES = BUILD / "examples"


def output_of(program: str, *arguments: object) -> str:
    return subprocess.run(
        [C_EXAMPLES / program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.fixture
def port(request: pytest.FixtureRequest, start: Callable) -> Iterator[int]:
    """The port that the example server named by the test listens on."""
    process = start([C_EXAMPLES / request.param], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    yield int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)[1])


def test_switch_order():
    assert output_of("switch_order").splitlines() == [
        "foo, step 1",
        "bar, step 1",
        "foo, step 2",
        "bar, step 2",
    ]


def test_join_value():
    assert output_of("join_value").splitlines() == [
        "6 * 7 = 42",
        "the sleeper was woken after 10 ms: Operation canceled",
    ]


def test_sleep_together():
    one_by_one, together = map(int, re.findall(r"(\d+) ms", output_of("sleep_together")))
    assert one_by_one >= 300
    assert together < one_by_one / 1.5


def test_producer_consumer():
    assert output_of("producer_consumer").splitlines()[-1] == "20 made, 20 taken"


def test_bounded_map():
    *pages, summary, together = output_of("bounded_map").splitlines()
    assert sorted(pages) == [
        "fast: 1200 bytes",
        "large: 3000 bytes",
        "medium: 1800 bytes",
        "no such page: Connection refused",
        "slow: 1000 bytes",
    ]
    assert pages[-1] == "slow: 1000 bytes"
    assert summary == "4 of 5 pages, 3 at once at most, 7000 bytes"
    assert together == "together: no such page: Connection refused"


def test_timeouts():
    lines = output_of("timeouts").splitlines()
    assert lines[0] == "patient: all three steps in time"
    assert lines[1] == "hasty: the step was too slow, went on"
    assert lines[-1] == "hasty: the whole was too slow"


@pytest.mark.parametrize("port", ["echo_server"], indirect=True)
def test_echo_server(port: int):
    said = output_of("echo_clients", port, 200, 20)
    assert re.match(r"200 clients, 4000 answers in \d+ ms", said)


@pytest.mark.parametrize("port", ["slow_site"], indirect=True)
def test_fetch(port: int):
    pages = [f"http://127.0.0.1:{port}/{ms}" for ms in (300, 200, 250)]
    said = output_of("fetch", *pages)
    one_by_one = int(re.search(r"one after another: (\d+) ms", said)[1])
    at_once = int(re.search(r"at once: (\d+) ms", said)[1])
    assert one_by_one >= 750
    assert 300 <= at_once < one_by_one / 1.5
