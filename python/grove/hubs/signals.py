"""Calling a function in a greenlet when a signal comes."""

import sys
from collections.abc import Callable
from typing import Any

from grove._core import Greenlet, get_hub

__all__ = ["signal_handler"]


class signal_handler:
    """While it exists, handler(*args, **kwargs) runs in a new Greenlet whenever
    signal signalnum comes. It does not keep the program from ending.

    Args:
        signalnum: the signal, as in the module signal.
        handler: what is called; what it raises goes to the hub's handle_error.

    Raises TypeError when handler is not callable, ValueError for no signal's
    number, OSError for one that cannot be handled. Python's own handler for the
    signal is not called meanwhile. (gevent.signal_handler)

    >>> import os, signal
    >>> import grove
    >>> watched = grove.signal_handler(signal.SIGUSR1, print, "it came")
    >>> os.kill(os.getpid(), signal.SIGUSR1)
    >>> grove.sleep(0.05)
    it came
    >>> watched.cancel()
    """

    #: What runs the handler.
    greenlet_class: Any = None

    def __init__(
        self, signalnum: int, handler: Callable[..., object], *args: Any, **kwargs: Any
    ) -> None:
        if not callable(handler):
            raise TypeError(f"signal handler must be callable: {handler!r}")
        self.hub = get_hub()
        self.watcher = self.hub.loop.signal(signalnum, ref=False)
        self.handler = handler
        self.args = args
        self.kwargs = kwargs
        if self.greenlet_class is None:
            type(self).greenlet_class = Greenlet
        self.watcher.start(self._start)

    @property
    def ref(self) -> bool:
        """Whether it keeps the loop going."""
        return self.watcher.ref

    @ref.setter
    def ref(self, value: bool) -> None:
        self.watcher.ref = value

    def cancel(self) -> None:
        """Handle no more signals; what was there before does again.

        >>> import grove, signal
        >>> handler = grove.signal_handler(signal.SIGUSR1, print, "told")
        >>> handler.cancel()
        >>> signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
        True
        """
        if self.watcher is not None:
            self.watcher.stop()
            # Let go of the cycle that self._start makes.
            self.watcher.close()

    def _start(self) -> None:
        try:
            greenlet = self.greenlet_class(self.handle)
            greenlet.switch()
        except BaseException:
            self.hub.handle_error(None, *sys.exc_info())

    def handle(self) -> None:
        """What the greenlet runs.

        >>> import grove, signal
        >>> handler = grove.signal_handler(signal.SIGUSR1, print, "told")
        >>> handler.handle()
        told
        >>> handler.cancel()
        """
        try:
            self.handler(*self.args, **self.kwargs)
        except BaseException:
            self.hub.handle_error(None, *sys.exc_info())
