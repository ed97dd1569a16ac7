"""Create, run and finish a raw greenlet."""

from itertools import repeat
from time import perf_counter_ns

from greenlet import greenlet

import peers

TURNS = 2_000


def nothing() -> None:
    pass


def turn() -> float:
    start = perf_counter_ns()
    for _ in repeat(None, TURNS):
        greenlet(nothing).switch()
        greenlet(nothing).switch()
        greenlet(nothing).switch()
        greenlet(nothing).switch()
        greenlet(nothing).switch()
    return (perf_counter_ns() - start) / TURNS / 5


def measure() -> float:
    return min(turn() for _ in range(5))


if __name__ == "__main__":
    peers.compare("py_create", measure, "greenlet", rounds=5)
