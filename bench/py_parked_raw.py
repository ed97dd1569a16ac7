"""Memory of a raw greenlet that is suspended: resident bytes each, of 100,000.
Its page tables, which the kernel does not count as resident, are told beside it;
then how long os.fork() takes with all of them there, in the parent."""

import gc
import os
from time import perf_counter_ns

from greenlet import getcurrent, greenlet

import peers

COUNT = 100_000
FORKS = 5


def park_all() -> list[greenlet]:
    main = getcurrent()

    def park() -> None:
        main.switch()

    greenlets = [greenlet(park) for _ in range(COUNT)]
    for g in greenlets:
        g.switch()
    return greenlets


def memory() -> tuple[float, float]:
    before = peers.status("VmRSS"), peers.status("VmPTE")
    greenlets = park_all()
    after = peers.status("VmRSS"), peers.status("VmPTE")
    assert len(greenlets) == COUNT
    return tuple((b - a) / COUNT for a, b in zip(before, after, strict=True))


def fork() -> float:
    """The least of some, in milliseconds."""
    greenlets = park_all()
    times = []
    for _ in range(FORKS):
        start = perf_counter_ns()
        child = os.fork()
        if child == 0:
            os._exit(0)
        times.append(perf_counter_ns() - start)
        os.waitpid(child, 0)
    assert len(greenlets) == COUNT
    return min(times) / 1e6


def measure(what: int) -> tuple[float, ...]:
    gc.disable()
    figures = (fork(),) if what else memory()
    print(*figures, flush=True)
    os._exit(0)  # ending the greenlets is not what is measured


if __name__ == "__main__":
    peers.compare(
        "py_parked_raw",
        measure,
        "greenlet",
        0,
        rounds=3,
        unit="bytes (and {1:.0f} of page tables)",
        less_is_speed=False,
    )
    peers.compare("py_fork", measure, "greenlet", 1, rounds=3, unit="ms")
