"""Spawn 100,000 greenlets that do nothing, and join them all."""

from time import perf_counter_ns

import gevent

import peers

COUNT = 100_000


def nothing() -> None:
    pass


def turn() -> float:
    start = perf_counter_ns()
    gevent.joinall([gevent.spawn(nothing) for _ in range(COUNT)])
    return (perf_counter_ns() - start) / COUNT


def measure() -> float:
    return turn()


if __name__ == "__main__":
    peers.compare("py_spawn", measure, "gevent", rounds=3)
