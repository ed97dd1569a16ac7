"""An asyncio loop in a greenlet, for ASGI applications.

It waits on a selector of ours, so that the greenlets of connections run while it
waits, on the same thread:

    a connection's greenlet                    the loop's greenlet
      Exchange.serve() -- call_soon_threadsafe --> the application's coroutine
          queue       <------- put() -----------   send(), receive()
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from grove import selectors
from grove._core import Greenlet
from grove.event import AsyncResult

__all__ = ["ASGI", "Loop", "StartupFailed"]

#: What a scope says of the interface.
ASGI = {"version": "3.0", "spec_version": "2.3"}


class StartupFailed(Exception):
    """The application says that it cannot serve."""


class Loop:
    """Runs an application's coroutines; one for each process."""

    def __init__(self, application: Callable) -> None:
        """
        Args:
            application: called with scope, receive and send.
        """
        self.application = application
        #: What the application keeps from its start on, for each scope.
        self.state: dict[str, Any] = {}
        self._loop = asyncio.SelectorEventLoop(selectors.DefaultSelector())
        self._greenlet: Greenlet | None = None
        self._told: asyncio.Queue | None = None
        self._started = AsyncResult()
        self._ended = AsyncResult()

    def start(self) -> None:
        """Run, and have the application start; StartupFailed when it cannot."""
        self._greenlet = Greenlet.spawn(self._loop.run_forever)
        self.run(self._live())
        failure = self._started.get()
        if failure is not None:
            raise StartupFailed(failure)

    def run(self, coroutine: Coroutine) -> None:
        """Have the loop run coroutine, beside what it runs already."""
        self._loop.call_soon_threadsafe(self._loop.create_task, coroutine)

    def call(self, function: Callable, *args: Any) -> None:
        """Have the loop call function(*args)."""
        self._loop.call_soon_threadsafe(function, *args)

    def future(self) -> asyncio.Future:
        """One of the loop's."""
        return self._loop.create_future()

    def stop(self, timeout: float | None = None) -> None:
        """Have the application end, for timeout seconds at most, and then the loop."""
        if self._told is not None and not self._ended.ready():
            self.call(self._told.put_nowait, {"type": "lifespan.shutdown"})
            self._ended.wait(timeout=timeout)
        self.call(self._loop.stop)
        if self._greenlet is not None:
            self._greenlet.join(timeout)

    # ---- the application's life --------------------------------------------------

    async def _live(self) -> None:
        """The lifespan of the application, which may know of none."""
        self._told = asyncio.Queue()
        self._told.put_nowait({"type": "lifespan.startup"})
        scope = {"type": "lifespan", "asgi": ASGI, "state": self.state}
        try:
            await self.application(scope, self._told.get, self._hear)
        except BaseException:
            # One that raises has no lifespan; one that had begun is over.
            pass
        finally:
            if not self._started.ready():
                self._started.set(None)
            self._ended.set(None)

    async def _hear(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started.set(None)
        elif kind == "lifespan.startup.failed":
            self._started.set(message.get("message", "") or "the start has failed")
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            self._ended.set(None)
