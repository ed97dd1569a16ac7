"""subprocess.run(["true"]) in a program that has greenlets, and how many times what
the standard library's takes, each by turns with the other in one process."""

import subprocess
from statistics import median
from time import perf_counter_ns

import gevent
import gevent.subprocess

import peers

COUNT = 150


def timed(module: object) -> int:
    start = perf_counter_ns()
    module.run(["true"])
    return perf_counter_ns() - start


def measure() -> tuple[float, float]:
    gevent.get_hub()
    ours, native = [], []
    for _ in range(COUNT):
        ours.append(timed(gevent.subprocess))
        native.append(timed(subprocess))
    return median(ours) / 1000, median(ours) / median(native)


if __name__ == "__main__":
    peers.compare(
        "py_subprocess",
        measure,
        "gevent",
        rounds=5,
        unit="us, {1:.2f} x the standard library's",
    )
