"""sleep(0): two greenlets that let each other run."""

from itertools import repeat
from time import perf_counter_ns

import gevent

import peers

TURNS = 5_000


def sleeper() -> None:
    sleep = gevent.sleep
    for _ in repeat(None, TURNS):
        sleep(0)
        sleep(0)
        sleep(0)
        sleep(0)
        sleep(0)


def turn() -> float:
    greenlets = [gevent.spawn(sleeper) for _ in range(2)]
    start = perf_counter_ns()
    gevent.joinall(greenlets)
    return (perf_counter_ns() - start) / TURNS / 10


def measure() -> float:
    return min(turn() for _ in range(5))


if __name__ == "__main__":
    peers.compare("py_sleep0", measure, "gevent", rounds=5)
