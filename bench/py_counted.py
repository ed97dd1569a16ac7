"""Work whose instructions tests/e2e/test_counts.py counts.

py_counted.py switch | spawn | queue | channel | pool | socket COUNT
"""

import sys
from itertools import repeat


def switch(count: int) -> None:
    from greenlet import getcurrent, greenlet

    back = getcurrent().switch

    def body() -> None:
        for _ in repeat(None):
            back()

    there = greenlet(body).switch
    for _ in repeat(None, count // 2):
        there()


def spawn(count: int) -> None:
    import gevent

    def nothing() -> None:
        pass

    gevent.joinall([gevent.spawn(nothing) for _ in range(count)])


def queue(count: int) -> None:
    """So many items handed over, there and back by turns."""
    import gevent
    from gevent.queue import Queue

    there, back = Queue(), Queue()

    def answer() -> None:
        while True:
            back.put(there.get())

    gevent.spawn(answer)
    for _ in repeat(None, count // 2):
        there.put(None)
        back.get()


def channel(count: int) -> None:
    import gevent
    from gevent.queue import Channel

    items = Channel()

    def produce() -> None:
        while True:
            items.put(None)

    gevent.spawn(produce)
    for _ in repeat(None, count):
        items.get()


def pool(count: int) -> None:
    from gevent.pool import Pool

    def nothing() -> None:
        pass

    greenlets = Pool(100)
    for _ in repeat(None, count):
        greenlets.spawn(nothing)
    greenlets.join()


def socket(count: int) -> None:
    """So many messages sent, and each received at once."""
    from gevent.socket import socketpair

    there, here = socketpair()
    for _ in repeat(None, count):
        there.send(b"x")
        here.recv(64)


KINDS = {f.__name__: f for f in (switch, spawn, queue, channel, pool, socket)}

if __name__ == "__main__":
    KINDS[sys.argv[1]](int(sys.argv[2]))
