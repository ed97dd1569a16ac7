"""Memory of a raw greenlet that is suspended: resident bytes each, of 100,000.
Its page tables, which the kernel does not count as resident, are told beside it;
then how long os.fork() takes with all of them there, in the parent."""

import gc
import os
from time import perf_counter_ns

from greenlet import getcurrent, greenlet

import peers

COUNT = 100_000


def measure() -> tuple[float, float, float]:
    main = getcurrent()

    def park() -> None:
        main.switch()

    gc.disable()
    greenlets = [greenlet(park) for _ in range(100)]
    for g in greenlets:
        g.switch()
    before = peers.status("VmRSS"), peers.status("VmPTE")
    more = [greenlet(park) for _ in range(COUNT)]
    for g in more:
        g.switch()
    after = peers.status("VmRSS"), peers.status("VmPTE")
    each = tuple((b - a) / COUNT for a, b in zip(before, after, strict=True))
    forks = []
    for _ in range(3):
        start = perf_counter_ns()
        child = os.fork()
        if child == 0:
            os._exit(0)
        forks.append(perf_counter_ns() - start)
        os.waitpid(child, 0)
    print(*each, min(forks) / 1e6, flush=True)
    os._exit(0)  # ending the greenlets is not what is measured


if __name__ == "__main__":
    peers.compare(
        "py_parked_raw",
        measure,
        "greenlet",
        rounds=3,
        unit="bytes (and {1:.0f} of page tables; fork: {2:.1f} ms)",
        less_is_speed=False,
    )
