"""Greenlets that the hub runs: spawn one, wait for it, ask for its result."""

from grove import hub
from grove._core import Greenlet, get_hub, joinall, killall

__all__ = ["Greenlet", "joinall", "killall"]
