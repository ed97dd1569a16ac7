"""The module signal, whose handler of SIGCHLD may wait.

Handlers run where Python runs them: between two instructions of the main thread,
which while all greenlets wait is in its hub. There nothing can wait, so that of
SIGCHLD, which is there to wait for children, gets a greenlet of its own. Waiting
for a child needs no SIGCHLD here, and nothing of the runtime handles it.
"""

import signal as _stdlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grove._core import Greenlet, _get_hub, getcurrent
from grove.stdlib.mirror import mirror

__implements__ = ["signal", "getsignal"]
__extensions__: list[str] = []
__imports__ = mirror(_stdlib, globals(), __implements__)
__all__ = [*__implements__]

_signal_signal = _stdlib.signal
_signal_getsignal = _stdlib.getsignal
_SIGCHLD = _stdlib.SIGCHLD
_NO_FUNCTIONS = (_stdlib.SIG_DFL, _stdlib.SIG_IGN)


class _InGreenlet:
    """Calls a handler in a greenlet of its own when it comes in the hub."""

    __slots__ = ("handler",)

    def __init__(self, handler: Callable[[int, Any], object]) -> None:
        self.handler = handler

    def __call__(self, signalnum: int, frame: Any) -> None:
        if getcurrent() is _get_hub():
            Greenlet(self.handler, signalnum, frame).switch()
        else:
            self.handler(signalnum, frame)


def _users(handler: Any) -> Any:
    return handler.handler if isinstance(handler, _InGreenlet) else handler


def getsignal(signalnum: int) -> Any:
    """The handler of a signal, as signal.getsignal."""
    return _users(_signal_getsignal(signalnum))


def signal(signalnum: int, handler: Any) -> Any:
    """Set the handler of a signal, as signal.signal; the one before.

    A handler of SIGCHLD may wait.
    """
    if signalnum == _SIGCHLD and callable(handler) and handler not in _NO_FUNCTIONS:
        handler = _InGreenlet(handler)
    return _users(_signal_signal(signalnum, handler))


# As pydoc is to show them, where they stand in for the standard module's.
getsignal.__module__ = signal.__module__ = _stdlib.__name__

if TYPE_CHECKING:  # what is mirrored; the names above stay ours, as it remarks
    from signal import *  # type: ignore
