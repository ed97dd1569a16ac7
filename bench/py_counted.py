"""Work whose instructions tests/e2e/test_counts.py counts.

py_counted.py switch | spawn COUNT
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


if __name__ == "__main__":
    {"switch": switch, "spawn": spawn}[sys.argv[1]](int(sys.argv[2]))
