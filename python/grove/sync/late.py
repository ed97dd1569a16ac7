"""Waits whose time-out raises what the caller has chosen."""

from collections.abc import Callable
from typing import Any

from grove.timeout import Timeout


def wait_under(
    wait: Callable[[int], None], fileno: int, timeout: Any, timeout_exc: Any
) -> None:
    """wait(fileno) under a Timeout: the one given, or a new one.

    Args:
        wait: wait_read, say.
        fileno: a descriptor.
        timeout: seconds, None or a Timeout.
        timeout_exc: what a new Timeout raises; see there.
    """
    with Timeout.start_new(timeout, timeout_exc):
        wait(fileno)
