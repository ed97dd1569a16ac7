"""The timer of a Timeout, as gevent shows it: `Timeout.timer`."""

from typing import Any


class TimeoutTimer:
    """What a watcher of the loop tells, of the timer inside a Timeout.

    A view: it counts when the Timeout does, and stopping it cancels that.
    """

    def __init__(self, timeout: Any, ref: bool) -> None:
        self._timeout = timeout
        #: Whether it keeps the loop going.
        self.ref = ref

    def __repr__(self) -> str:
        state = "pending" if self.active else "stopped"
        return f"<{type(self).__name__} {state} seconds={self._timeout.seconds}>"

    @property
    def active(self) -> bool:
        """Whether it is counting."""
        return self._timeout.pending

    pending = active

    def stop(self) -> None:
        """The same as the Timeout's cancel()."""
        self._timeout.cancel()

    close = stop
