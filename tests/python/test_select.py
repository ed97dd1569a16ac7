"""grove.select and grove.selectors."""

import errno
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


@pytest.mark.parametrize("timeout", [0, 0.01, HANG, None])
def test_closed_before(pair, timeout):
    fd = pair[0].fileno()
    pair[0].close()
    for lists in ([fd], [], []), ([], [fd], []), ([], [], [fd]), ([fd, pair[1]], [], []):
        with pytest.raises(OSError) as caught:
            select.select(*lists, timeout)
        assert caught.value.errno == errno.EBADF
    with pytest.raises(ValueError):
        select.select(pair[:1], [], [], timeout)  # its descriptor is -1
    poll = select.poll()
    poll.register(fd)
    milliseconds = None if timeout is None else timeout * 1000
    assert poll.poll(milliseconds) == [(fd, stdlib.POLLNVAL)]


def test_closed_while_waited_for(pair):
    fd = pair[0].fileno()
    poll = select.poll()
    poll.register(fd, stdlib.POLLIN)
    selecting = grove.spawn(select.select, [fd], [], [])
    polling = grove.spawn(poll.poll)
    grove.sleep(0)
    pair[0].close()
    with pytest.raises(OSError) as caught:
        selecting.get(timeout=HANG)
    assert caught.value.errno == errno.EBADF
    assert polling.get(timeout=HANG) == [(fd, stdlib.POLLNVAL)]


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


def test_what_poll_cannot_be_asked(pair):
    poll = select.poll()
    poll.register(pair[0])
    for mask, error in (-1, ValueError), (1 << 16, OverflowError), ("x", TypeError):
        with pytest.raises(error):
            poll.register(pair[1], mask)
        with pytest.raises(error):
            poll.modify(pair[0], mask)
    with pytest.raises(OverflowError):
        poll.poll(1 << 31)
    assert poll.poll((1 << 31) - 1) == [(pair[0].fileno(), stdlib.POLLOUT)]


def test_selector(pair):
    a, b = pair
    with selectors.DefaultSelector() as selector:
        selector.register(a, selectors.EVENT_READ, "data")
        assert selector.select(0) == []
        grove.spawn_later(0.01, b.send, b"x")
        [(key, events)] = selector.select(HANG)
        assert key.data == "data" and events == selectors.EVENT_READ


def test_a_selector_takes_a_hub():
    hub = grove.get_hub()
    with selectors.GeventSelector(hub) as given, selectors.GeventSelector() as other:
        assert given.hub is hub and other.hub is hub
    selectors.GeventSelector(hub=None).close()


def test_names_of_selectors():
    assert sorted(selectors.__all__) == ["DefaultSelector", "GeventSelector"]


# ---- asking without waiting --------------------------------------------------


def asks_select(fd):
    return select.select([fd], [], [], 0)[0]


def asks_poll(fd):
    poll = select.poll()
    poll.register(fd, stdlib.POLLIN)
    return poll.poll(0)


def asks_epoll(fd):
    with select.epoll() as epoll:
        epoll.register(fd, stdlib.EPOLLIN)
        return epoll.poll(0)


def asks_selector(fd):
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return selector.select(0)


ASKING = [asks_select, asks_poll, asks_epoll, asks_selector]


@pytest.mark.parametrize("ask", ASKING)
def test_asking_in_vain_gives_a_turn(pair, ask):
    a, b = pair
    turns = []
    other = grove.spawn(turns.append, 1)
    assert not ask(a.fileno()) and turns == [1]
    grove.spawn_later(0.001, b.send, b"x")
    while not ask(a.fileno()):  # the timer, and the hub's own wait, come to pass
        pass
    assert other.ready()


@pytest.mark.parametrize("ask", ASKING)
def test_asking_with_success_gives_a_turn_in_time(pair, ask):
    a, b = pair
    b.send(b"x")
    over = []
    grove.spawn_later(0.001, over.append, 1)
    while not over:
        assert ask(a.fileno())


def test_an_event_that_another_has_taken_is_reported(pair):
    a, b = pair

    def drain():
        select.select([a], [], [], HANG)
        a.recv(100)

    for wait in (
        lambda: select.select([a], [], [], HANG)[0],
        lambda: socket.wait_read(a.fileno(), HANG) is None,
    ):
        draining = grove.spawn(drain)
        waiting = grove.spawn(wait)
        grove.sleep(0)
        b.send(b"x")
        assert waiting.get(timeout=HANG / 2)
        draining.get()


# ---- epoll -------------------------------------------------------------------


def test_epoll_is_used_as_the_standard_one(pair):
    a, b = pair
    with select.epoll(flags=stdlib.EPOLL_CLOEXEC) as epoll:
        epoll.register(a, stdlib.EPOLLIN)
        assert epoll.poll(0.01) == []
        grove.spawn_later(0.001, b.send, b"xy")
        assert epoll.poll() == [(a.fileno(), stdlib.EPOLLIN)]
        assert epoll.poll(-1, maxevents=1) == [(a.fileno(), stdlib.EPOLLIN)]
        epoll.modify(a, stdlib.EPOLLOUT)
        assert epoll.poll(HANG) == [(a.fileno(), stdlib.EPOLLOUT)]
        epoll.unregister(a)
        with pytest.raises(FileNotFoundError):
            epoll.unregister(a)
        with pytest.raises(ValueError, match="maxevents"):
            epoll.poll(0, 0)
    assert epoll.closed
    epoll.close()
    for use in (epoll.fileno, epoll.poll, epoll.__enter__):
        with pytest.raises(ValueError, match="closed epoll object"):
            use()


def test_epoll_of_a_descriptor(pair):
    epoll = select.epoll.fromfd(stdlib.epoll().fileno())
    assert not epoll.closed


def test_one_closes_the_epoll_that_another_polls(pair):
    epoll = select.epoll()
    epoll.register(pair[0], stdlib.EPOLLIN)
    polling = grove.spawn(epoll.poll)
    grove.sleep(0)
    epoll.close()
    with pytest.raises(OSError):
        polling.get(timeout=HANG)


def test_two_poll_one_epoll(pair):
    a, b = pair
    with select.epoll() as epoll:
        epoll.register(a, stdlib.EPOLLIN)

        def take():
            while True:
                epoll.poll()
                try:
                    return a._sock.recv(1)
                except BlockingIOError:
                    continue

        both = [grove.spawn(take) for _ in range(2)]
        for byte in (b"x", b"y"):
            grove.sleep(0)
            b.send(byte)
        grove.joinall(both, timeout=HANG)
        assert sorted(g.value for g in both) == [b"x", b"y"]
