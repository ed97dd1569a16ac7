"""Greenlets that the hub runs: spawn one, wait for it, ask for its result."""

from grove import hub
from grove._core import (
    FailureSpawnedLink,
    Greenlet,
    GreenletExit,
    SpawnedLink,
    SuccessSpawnedLink,
    get_hub,
    getcurrent,
    joinall,
    killall,
    sleep,
)

__all__ = ["Greenlet", "joinall", "killall"]
