"""g.switch() between the main greenlet and another, each with so many calls of C
on its stack (sorted, calling its key function): none, then thirty."""

from collections.abc import Callable
from itertools import repeat
from time import perf_counter_ns

from greenlet import getcurrent, greenlet

import peers

TURNS = 20_000


def below(levels: int, function: Callable[[], float]) -> float:
    """function(), called with so many more C frames on the stack."""
    if levels == 0:
        return function()
    results = []
    sorted([0], key=lambda _: results.append(below(levels - 1, function)) or 0)
    return results[0]


def turn(g: greenlet) -> float:
    start = perf_counter_ns()
    for _ in repeat(None, TURNS):
        g.switch()
        g.switch()
        g.switch()
        g.switch()
        g.switch()
        g.switch()
        g.switch()
        g.switch()
        g.switch()
        g.switch()
    return (perf_counter_ns() - start) / TURNS / 20


def measure(levels: int) -> float:
    back = getcurrent()

    def body() -> float:
        while True:
            turn(back)

    other = greenlet(lambda: below(levels, body))
    other.switch()
    turns = 10
    return below(levels, lambda: min(turn(other) for _ in range(turns)))


if __name__ == "__main__":
    peers.compare("py_switch", measure, "greenlet", 0, rounds=7)
    peers.compare("py_switch_deep", measure, "greenlet", 30, rounds=5)
