"""Processor time of 100,000 greenlets that each sleep once, 0 to 1 s."""

import random
import time

import gevent

import peers

COUNT = 100_000


def measure() -> float:
    times = random.Random(1)
    seconds = [times.random() for _ in range(COUNT)]
    before = time.process_time_ns()
    sleepers = [gevent.spawn(gevent.sleep, s) for s in seconds]
    gevent.joinall(sleepers)
    return (time.process_time_ns() - before) / 1e9


if __name__ == "__main__":
    peers.compare("py_sleepers", measure, "gevent", rounds=1, unit="s")
