"""A native thread that watches a hub: for code that blocks it, for memory.

On by request: config.monitor_thread, or Hub.start_periodic_monitoring_thread().
"""

import os
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from grove import _core
from grove.events import (
    EventLoopBlocked,
    MemoryUsageThresholdExceeded,
    MemoryUsageUnderThreshold,
    PeriodicMonitorThreadStartedEvent,
    notify,
    notify_and_call_entry_points,
)
from grove.monitoring.tracer import GreenletTracer
from grove.settings.config import config
from grove.stdlib.natives import allocate_lock, start_new_thread

__all__ = ["PeriodicMonitoringThread"]


class MonitorWarning(RuntimeWarning):
    """The monitor cannot do all that it was asked to."""


class _MonitorEntry:
    """A function and how often it is called."""

    __slots__ = ("function", "period", "last_run_time")

    def __init__(self, function: Callable[[Any], object], period: float) -> None:
        self.function = function
        self.period = period
        self.last_run_time = 0.0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _MonitorEntry)
            and self.function == other.function
            and self.period == other.period
        )

    def __repr__(self) -> str:
        return repr((self.function, self.period, self.last_run_time))


def _resident_memory() -> int:
    """Bytes of memory this process uses."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class PeriodicMonitoringThread:
    """Calls functions with a hub every so often, on a thread of its own.

    The first is monitor_blocking: every config.max_blocking_time seconds it
    looks whether the hub's greenlets still switch. One that has run all that
    time is told of by an EventLoopBlocked event and, if
    config.print_blocking_reports, by a report with its stack.

    Args:
        hub: the Hub that is watched.
    """

    #: Seconds that it sleeps at least, and when it has nothing to do.
    min_sleep_time = 0.005
    inactive_sleep_time = 2.0

    def __init__(self, hub: Any) -> None:
        self._hub_wref = weakref.ref(hub, self._on_hub_gc)
        self.should_run = True
        self.pid = os.getpid()
        self.initialized = False
        self.monitor_thread_ident = 0
        self._greenlet_tracer = GreenletTracer(hub)
        _core.stalls_elsewhere(hub, True)
        self._reported = -1
        self._exceeded = 0
        self._monitoring_functions = [_MonitorEntry(self.monitor_blocking, 0.0)]
        self._monitoring_functions[0].period = config.max_blocking_time
        self._calculated_sleep_time = 0.0
        # Held while the thread is to sleep: released to end it.
        self._sleeping = allocate_lock()
        self._start()
        notify_and_call_entry_points(PeriodicMonitorThreadStartedEvent(self))

    @property
    def hub(self) -> Any:
        """The Hub that is watched, or None if it is gone."""
        return self._hub_wref()

    def _on_hub_gc(self, reference: object) -> None:
        self.kill()

    def _start(self) -> None:
        self._sleeping.acquire(False)
        self.monitor_thread_ident = start_new_thread(self, ())

    # ---- what it does

    def monitoring_functions(self) -> list[_MonitorEntry]:
        """What it calls, the next time it does."""
        first = self._monitoring_functions[0]
        if first.period != config.max_blocking_time:
            first.period = config.max_blocking_time
            self._calculated_sleep_time = 0.0
        return self._monitoring_functions

    def add_monitoring_function(
        self, function: Callable[[Any], object], period: float | None
    ) -> None:
        """Have function(hub) called every period seconds, on this thread.

        Args:
            function: what is called; what it raises is printed.
            period: None: not any more.

        Raises ValueError for what is not callable, or a period of 0 or less.
        """
        if not callable(function):
            raise ValueError(f"function must be callable, not {function!r}")
        if period is None:
            self._monitoring_functions = [
                entry
                for entry in self._monitoring_functions
                if entry.function != function
            ]
        elif period <= 0:
            raise ValueError(f"period must be positive, not {period!r}")
        else:
            self._monitoring_functions = [
                *self._monitoring_functions,
                _MonitorEntry(function, period),
            ]
        self._calculated_sleep_time = 0.0

    def calculate_sleep_time(self) -> float:
        """Seconds until something may be to be done."""
        if not self._calculated_sleep_time:
            periods = [
                entry.period
                for entry in self.monitoring_functions()
                if entry.period and entry.period > 0
            ]
            shortest = min(periods, default=self.inactive_sleep_time)
            # Look twice a period, so that one that blocks is found in time.
            self._calculated_sleep_time = max(self.min_sleep_time, shortest / 2)
        return self._calculated_sleep_time

    def monitor_blocking(self, hub: Any) -> list[str] | None:
        """Whether somebody blocks the hub: the report then."""
        figures = _core.switch_figures(hub)
        if not figures:
            return None
        switches, _, since_switch, since_wait, _, _, greenlet, asleep = figures
        too_long = min(since_switch, since_wait) > config.max_blocking_time
        if asleep or greenlet is None or greenlet is hub or not too_long:
            return None
        if switches == self._reported:
            return None
        self._reported = switches
        report = self._greenlet_tracer.did_block_hub_report(
            hub,
            greenlet,
            {"greenlet_stacks": False, "current_thread_ident": hub.thread_ident},
        )
        notify(EventLoopBlocked(greenlet, config.max_blocking_time, report, hub))
        if config.print_blocking_reports:
            stream = hub.exception_stream
            if stream is not None:
                stream.write("\n".join(report) + "\n")
        return report

    def ignore_current_greenlet_blocking(self) -> None:
        """The greenlet that runs may go on without being told of, until the next
        switch."""
        figures = _core.switch_figures(self.hub)
        if figures:
            self._reported = figures[0]

    def monitor_current_greenlet_blocking(self) -> None:
        """Undo ignore_current_greenlet_blocking."""
        self._reported = -1

    def install_monitor_memory_usage(self) -> None:
        """Watch the memory of the process, if config.max_memory_usage says so."""
        if not config.max_memory_usage or not config.memory_monitor_period:
            return
        if not self.can_monitor_memory_usage():
            warnings.warn(
                "memory cannot be watched: there is no /proc/self/statm",
                MonitorWarning,
                stacklevel=2,
            )
            return
        self.add_monitoring_function(
            self.monitor_memory_usage, config.memory_monitor_period
        )

    def can_monitor_memory_usage(self) -> bool:
        """Whether the system tells of it."""
        return os.path.exists("/proc/self/statm")

    def monitor_memory_usage(self, hub: Any) -> int:
        """Tell by events when memory is above config.max_memory_usage, and when
        it is below again; -1 when there is nothing to tell, else the bytes."""
        most = config.max_memory_usage
        if not most:
            return -1
        usage = _resident_memory()
        info = {"rss": usage}
        if usage > most:
            # Once, until it has grown further.
            if usage <= self._exceeded:
                return -1
            self._exceeded = usage
            notify(MemoryUsageThresholdExceeded(usage, most, info))
            return usage
        if self._exceeded:
            notify(MemoryUsageUnderThreshold(usage, most, info, self._exceeded))
            self._exceeded = 0
            return usage
        return -1

    # ---- its life

    def _on_fork(self) -> None:
        """In a forked child: the thread is not there any more."""
        if self.pid != os.getpid() and self.should_run:
            self.pid = os.getpid()
            self._sleeping = allocate_lock()
            self._start()

    def kill(self) -> None:
        """End the thread."""
        if not self.should_run:
            return
        self.should_run = False
        self._greenlet_tracer.kill()
        hub = self.hub
        if hub is not None:
            _core.stalls_elsewhere(hub, False)
        if self._sleeping.locked():
            self._sleeping.release()

    def __call__(self) -> None:
        """What the thread runs."""
        _core.thread_background(True)
        now = 0.0
        try:
            self.initialized = True
            sleeping = self._sleeping
            while self.should_run:
                pause = self.calculate_sleep_time()
                if sleeping.acquire(timeout=pause):
                    break  # killed
                now += pause
                self._run_due(now)
        except BaseException:
            # The interpreter may be going down.
            if not sys.is_finalizing():
                sys.excepthook(*sys.exc_info())

    def _run_due(self, now: float) -> None:
        hub = self.hub
        for entry in list(self.monitoring_functions()):
            if hub is None or hub.dead or not self.should_run:
                self.should_run = False
                return
            if entry.function == self.monitor_blocking or (
                entry.period and now - entry.last_run_time >= entry.period
            ):
                entry.last_run_time = now
                try:
                    entry.function(hub)
                except Exception:
                    sys.excepthook(*sys.exc_info())

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} at {id(self):#x} in thread "
            f"{self.monitor_thread_ident:#x} greenlet switches "
            f"{self._greenlet_tracer.greenlet_switch_counter} for {self.hub}>"
        )
