"""What greenlets can wait for: the protocol of links.

A link is a function that is called, in the hub, with the object once the object
is ready. Waiting is a link that resumes the greenlet.
"""

from collections.abc import Callable
from typing import Any

from grove._core import Timeout, Waiter, get_hub


class AbstractLinkable:
    """Base of the objects that become ready, and tell their links so.

    Subclasses define ready() and call _check_and_notify() when it may have
    become true. Links are called in the order they were made, each once.
    """

    __slots__ = ("_links", "_notifier", "_hub", "__weakref__")

    def __init__(self, hub: Any = None) -> None:
        self._hub = hub
        self._links: list[Callable[[Any], object]] = []
        self._notifier: Any = None

    @property
    def hub(self) -> Any:
        """The hub of those who wait; None before there were any."""
        return self._hub

    def ready(self) -> bool:
        """Whether links are due."""
        raise NotImplementedError

    def linkcount(self) -> int:
        """How many links there are."""
        return len(self._links)

    def rawlink(self, callback: Callable[[Any], object]) -> None:
        """Call callback(self) in the hub once this is ready; it must not wait."""
        if not callable(callback):
            raise TypeError(f"Expected callable: {callback!r}")
        self._links.append(callback)
        self._check_and_notify()

    def unlink(self, callback: Callable[[Any], object]) -> None:
        """Undo a rawlink; nothing when there is none."""
        try:
            self._links.remove(callback)
        except ValueError:
            pass

    def _check_and_notify(self) -> None:
        if self._links and self._notifier is None and self.ready():
            self._schedule()

    def _schedule(self) -> None:
        """Have the present links called in the next turn of the hub."""
        if self._hub is None:
            self._hub = get_hub()
        due = self._links[:]
        self._notifier = self._hub.loop.run_callback(self._notify_links, due)

    def _notify_links(self, due: list[Callable[[Any], object]]) -> None:
        """Call those of due that were not unlinked meanwhile."""
        self._notifier = None
        for link in due:
            try:
                self._links.remove(link)
            except ValueError:
                continue
            try:
                link(self)
            except BaseException as error:
                self._hub.handle_error(
                    (link, self), type(error), error, error.__traceback__
                )
        self._check_and_notify()

    def _wait(self, timeout: float | None) -> bool:
        """Wait to be notified; False when timeout seconds pass first."""
        waiter = Waiter()
        if self._hub is None:
            self._hub = waiter.hub
        self.rawlink(waiter.switch)
        timer = Timeout._start_new_or_dummy(timeout)
        try:
            waiter.get()
            return True
        except Timeout as error:
            if error is not timer:
                raise
            return False
        finally:
            timer.cancel()
            self.unlink(waiter.switch)
