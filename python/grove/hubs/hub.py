"""The Hub: what its compiled part leaves to Python."""

from typing import Any

from grove import _core
from grove.hubs.attributes import Lazy, readproperty
from grove.hubs.ident import IdentRegistry
from grove.settings.config import config

__all__ = ["Hub"]

_numbers = IdentRegistry()


class Hub(_core.Hub):
    """The greenlet that runs a thread's event loop.

    There is one a thread, made by get_hub(). Callbacks of the loop run in it:
    they must not wait. Errors that nobody catches come to handle_error().

    Args:
        loop: None, or a loop of this thread.
        default: not looked at.

    >>> import grove
    >>> hub = grove.get_hub()
    >>> isinstance(hub, grove.hub.Hub), hub.parent is grove.getcurrent()
    (True, True)
    """

    #: Errors of these are raised in the main greenlet.
    SYSTEM_ERROR = _core.Hub.SYSTEM_ERROR
    #: Errors of these are not told of.
    NOT_ERROR = _core.Hub.NOT_ERROR

    #: How many threads its threadpool has at most.
    threadpool_size = 10

    #: The PeriodicMonitoringThread, once there is one.
    periodic_monitoring_thread: Any = None

    #: For people.
    name = ""

    _threadpool: Any = None
    _resolver: Any = None

    def __init__(self, loop: Any = None, default: Any = None) -> None:
        if hasattr(loop, "run"):
            self.loop = loop
        if config.monitor_thread:
            self.start_periodic_monitoring_thread()

    @readproperty
    def loop_class(self) -> Any:
        """What makes loops."""
        return _core.loop

    @readproperty
    def backend(self) -> Any:
        """The backend that was asked for by config.libev_backend."""
        return config.libev_backend

    @readproperty
    def format_context(self) -> Any:
        """What makes text of the context of an error: config.format_context."""
        return config.format_context

    @Lazy
    def ident_registry(self) -> IdentRegistry:
        """Small numbers for its greenlets."""
        return IdentRegistry()

    @property
    def minimal_ident(self) -> int:
        """A small number of its own."""
        return _numbers.get_ident(self)

    # ---- the threads that work for it

    @readproperty
    def threadpool_class(self) -> Any:
        """What makes threadpool."""
        return config.threadpool

    @property
    def threadpool(self) -> Any:
        """A pool of native threads for its greenlets, made when first asked for."""
        if self._threadpool is None:
            self._threadpool = self.threadpool_class(
                self.threadpool_size,
                hub=self,
                idle_task_timeout=config.threadpool_idle_task_timeout,
            )
        return self._threadpool

    @threadpool.setter
    def threadpool(self, pool: Any) -> None:
        self._threadpool = pool

    @threadpool.deleter
    def threadpool(self) -> None:
        self._threadpool = None

    @readproperty
    def resolver_class(self) -> Any:
        """What makes resolver."""
        return config.resolver

    @property
    def resolver(self) -> Any:
        """What looks names up, made when first asked for."""
        if self._resolver is None:
            self._resolver = self.resolver_class(hub=self)
        return self._resolver

    @resolver.setter
    def resolver(self, resolver: Any) -> None:
        self._resolver = resolver

    @resolver.deleter
    def resolver(self) -> None:
        self._resolver = None

    # ---- being watched

    def start_periodic_monitoring_thread(self) -> Any:
        """The thread that watches it, for code that blocks and for memory.

        Started when there is none yet; config says what it does.

        >>> import grove
        >>> monitor = grove.get_hub().start_periodic_monitoring_thread()
        >>> monitor.monitoring_functions() != []
        True
        >>> monitor.kill()
        """
        if self.periodic_monitoring_thread is None:
            from grove.monitoring.thread import PeriodicMonitoringThread

            self.periodic_monitoring_thread = PeriodicMonitoringThread(self)
            if self.main_hub:
                self.periodic_monitoring_thread.install_monitor_memory_usage()
        return self.periodic_monitoring_thread

    # ---- its end

    def destroy(self, destroy_loop: bool | None = None) -> None:
        """It is the thread's Hub no longer: get_hub() makes another.

        Its thread pool, its resolver and what watches it end.

        Args:
            destroy_loop: whether its loop can be used no more; None: unless it
                is the main thread's.

        Raises AssertionError when it is called in the Hub itself.

        >>> import grove
        >>> def use_a_hub():
        ...     grove.sleep(0.01)
        ...     grove.get_hub().destroy()
        ...     return grove.hub.get_hub_if_exists()
        >>> print(grove.get_hub().threadpool.apply(use_a_hub))
        None
        """
        if self.periodic_monitoring_thread is not None:
            self.periodic_monitoring_thread.kill()
            self.periodic_monitoring_thread = None
        if self._resolver is not None:
            self._resolver.close()
            self._resolver = None
        if self._threadpool is not None:
            self._threadpool.kill()
            self._threadpool = None
        super().destroy(destroy_loop)


_core.set_default_hub_class(Hub)
