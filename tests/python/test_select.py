"""grove.select and grove.selectors."""

import select as stdlib
import time

import grove
import pytest
from awaiting import HANG
from grove import select, selectors, socket


def test_select_lets_others_run(pair):
    a, b = pair
    grove.spawn_later(0.01, b.send, b"x")
    assert select.select([a], [], [], HANG) == ([a], [], [])
    assert select.select([a, b], [a], [], HANG) == ([a], [a], [])
    assert select.select([a.fileno()], [], []) == ([a.fileno()], [], [])


def test_select_time_out(pair):
    start = time.monotonic()
    assert select.select([pair[0]], [], [], 0.02) == ([], [], [])
    assert time.monotonic() - start >= 0.02
    assert select.select([pair[0]], [], [], 0) == ([], [], [])
    assert select.select([], [], [], 0.01) == ([], [], [])


def test_select_errors(pair):
    with pytest.raises(ValueError):
        select.select([pair[0]], [], [], -1)
    with pytest.raises(TypeError):
        select.select(["x"], [], [])
    fd = pair[0].fileno()
    pair[0].close()
    with pytest.raises(OSError):
        select.select([fd], [], [], 0)


def test_end_of_the_stream_is_readable(pair):
    pair[1].close()
    assert select.select([pair[0]], [], [], HANG)[0] == [pair[0]]


def test_poll(pair):
    a, b = pair
    poll = select.poll()
    poll.register(a, stdlib.POLLIN)
    assert poll.poll(10) == []
    grove.spawn_later(0.01, b.send, b"x")
    assert poll.poll() == [(a.fileno(), stdlib.POLLIN)]
    poll.modify(a, stdlib.POLLOUT)
    assert poll.poll(-1) == [(a.fileno(), stdlib.POLLOUT)]
    poll.unregister(a)
    with pytest.raises(KeyError):
        poll.unregister(a)
    with pytest.raises(FileNotFoundError):
        poll.modify(a, stdlib.POLLIN)


def test_selector(pair):
    a, b = pair
    with selectors.DefaultSelector() as selector:
        selector.register(a, selectors.EVENT_READ, "data")
        assert selector.select(0) == []
        grove.spawn_later(0.01, b.send, b"x")
        [(key, events)] = selector.select(HANG)
        assert key.data == "data" and events == selectors.EVENT_READ
