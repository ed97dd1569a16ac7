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

#: Seconds that a coroutine has which is cancelled, for it had no more time.
_LAST = 0.5

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
        #: What run() was given, while it runs: the loop itself holds them weakly.
        self._tasks: set[asyncio.Task] = set()
        #: The application's lifespan, and what it is told.
        self._life: asyncio.Task | None = None
        self._told: asyncio.Queue | None = None
        self._started = AsyncResult()

    def start(self) -> None:
        """Run, and have the application start; StartupFailed when it cannot."""
        self._greenlet = Greenlet.spawn(self._loop.run_forever)
        self.call(self._begin_life)
        failure = self._started.get()
        if failure is not None:
            raise StartupFailed(failure)

    def run(self, coroutine: Coroutine) -> None:
        """Have the loop run coroutine, beside what it runs already."""
        self._loop.call_soon_threadsafe(self._begin, coroutine)

    def call(self, function: Callable, *args: Any) -> None:
        """Have the loop call function(*args)."""
        self._loop.call_soon_threadsafe(function, *args)

    def future(self) -> asyncio.Future:
        """One of the loop's."""
        return self._loop.create_future()

    def stop(self, timeout: float | None = None) -> None:
        """End in order: what runs, then the application, then the loop.

        Args:
            timeout: seconds for all of it; coroutines that take longer are cancelled.
                None: as long as they take.
        """
        finished = AsyncResult()
        self.call(lambda: self._loop.create_task(self._finish(timeout, finished)))
        finished.wait(timeout=None if timeout is None else timeout + 2 * _LAST)
        self.call(self._loop.stop)
        if self._greenlet is not None:
            self._greenlet.join(_LAST)

    # ---- in the loop's greenlet --------------------------------------------------

    def _begin(self, coroutine: Coroutine) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, timeout: float | None, finished: AsyncResult) -> None:
        end = None if timeout is None else self._loop.time() + timeout
        await self._wait_for(self._tasks, end)
        if self._told is not None and self._life is not None:
            self._told.put_nowait({"type": "lifespan.shutdown"})
            await self._wait_for({self._life}, end)
        finished.set(None)

    async def _wait_for(self, tasks: set[asyncio.Task], end: float | None) -> None:
        """Until tasks are done; those that are not at the end are cancelled."""
        if not tasks:
            return
        left = None if end is None else max(0.0, end - self._loop.time())
        _, late = await asyncio.wait(set(tasks), timeout=left)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_LAST)

    def _begin_life(self) -> None:
        self._life = self._loop.create_task(self._live())

    # ---- the application's life --------------------------------------------------

    async def _live(self) -> None:
        """The lifespan of the application, which may know of none."""
        self._told = asyncio.Queue()
        self._told.put_nowait({"type": "lifespan.startup"})
        scope = {"type": "lifespan", "asgi": ASGI, "state": self.state}
        try:
            await self.application(scope, self._told.get, self._hear)
        except Exception as error:
            # One that raises has no lifespan; one that had begun it has failed.
            if self._started.ready():
                told = {"message": "The application has failed", "exception": error}
                self._loop.call_exception_handler(told)
        finally:
            if not self._started.ready():
                self._started.set(None)

    async def _hear(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started.set(None)
        elif kind == "lifespan.startup.failed":
            self._started.set(message.get("message", "") or "the start has failed")
