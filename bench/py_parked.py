"""Memory of a Greenlet that sleeps: resident bytes each, of 100,000. Its page
tables, which the kernel does not count as resident, are told beside it."""

import os

import gevent

import peers

COUNT = 100_000


parked = 0


def park() -> None:
    global parked
    parked += 1
    gevent.sleep(1000)


def measure() -> tuple[float, float]:
    gevent.sleep(0)
    before = peers.status("VmRSS"), peers.status("VmPTE")
    greenlets = [gevent.spawn(park) for _ in range(COUNT)]
    while parked < len(greenlets):
        gevent.sleep(0)
    after = peers.status("VmRSS"), peers.status("VmPTE")
    each = tuple((b - a) / COUNT for a, b in zip(before, after, strict=True))
    print(*each, flush=True)
    os._exit(0)  # ending the greenlets is not what is measured


if __name__ == "__main__":
    peers.compare(
        "py_parked",
        measure,
        "gevent",
        rounds=2,
        unit="bytes (and {1:.0f} of page tables)",
        less_is_speed=False,
    )
