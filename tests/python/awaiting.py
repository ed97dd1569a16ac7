"""How a test waits for what must come: not for a time, and not for ever."""

from collections.abc import Callable

import grove
from grove.event import Event

# Seconds that a machine that is busy with other things needs for nothing at all.
HANG = 60


def until(condition: Callable[[], object]) -> None:
    """Let the hub run until condition() is true."""
    with grove.Timeout(HANG):
        while not condition():
            grove.sleep(0.001)


def one_after_another(count: int) -> Callable[[int], int]:
    """A function for count greenlets that each call it with a number of their own
    below count: they come back from it in the order of these, which it returns."""
    turns = [Event() for _ in range(count + 1)]
    turns[0].set()

    def turn(place: int) -> int:
        turns[place].wait(HANG)
        turns[place + 1].set()
        return place

    return turn
