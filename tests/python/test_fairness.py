"""Greenlets that always find what they want let others run, in good time.

Fifty of them work 100 us between two calls that need not wait. Time is told in
units of that work, so that what other processes take does not count.
"""

import select
import time

import pytest

import grove
import grove.select
import grove.selectors
from grove import socket

WORKERS = 50
UNIT = 0.0001  # seconds of work between two calls
# 15 ms, and the 2 ms that are slept.
MOST_UNITS = 170


@pytest.fixture
def pairs():
    made = [socket.socketpair() for _ in range(WORKERS)]
    for _, theirs in made:
        theirs.send(b"x")
    yield made
    for ours, theirs in made:
        ours.close()
        theirs.close()


def by_recv(sock):
    return lambda: sock.recv(1, socket.MSG_PEEK)


def by_poll(sock):
    poller = grove.select.poll()
    poller.register(sock, select.POLLIN)
    return lambda: poller.poll(1000)


def by_selector(sock):
    selector = grove.selectors.DefaultSelector()
    selector.register(sock, grove.selectors.EVENT_READ)
    return lambda: selector.select(1)


class Load:
    """Fifty greenlets that work and call, until it is over."""

    def __init__(self, pairs, make):
        self.units = 0
        self.over = False
        calls = [make(ours) for ours, _ in pairs]
        self.workers = [grove.spawn(self.work, call) for call in calls]

    def work(self, call):
        while not self.over:
            call()
            end = time.thread_time() + UNIT
            while time.thread_time() < end:
                pass
            self.units += 1

    def __enter__(self):
        grove.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.over = True
        grove.joinall(self.workers, raise_error=True)


@pytest.mark.parametrize("make", [by_recv, by_poll, by_selector])
def test_a_timer_is_not_late(pairs, make):
    with Load(pairs, make) as load:
        for _ in range(20):
            before = load.units
            grove.sleep(0.002)
            assert load.units - before <= MOST_UNITS


@pytest.mark.parametrize("make", [by_recv, by_poll, by_selector])
def test_a_new_greenlet_does_not_wait_long(pairs, make):
    waits = []
    with Load(pairs, make) as load:
        for _ in range(50):
            before = load.units
            waits.append(grove.spawn(lambda: load.units).get() - before)
    assert sorted(waits)[-1] <= MOST_UNITS
