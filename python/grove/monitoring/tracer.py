"""Looking at how long greenlets run before they let others.

The runtime counts switches and notes their time while somebody looks; a tracer
is one who does. gevent's tracers are functions for greenlet.settrace, which
costs a call of Python a switch; these have their attributes and methods, and
cost a reading of the clock a switch.
"""

import sys
import traceback
from typing import Any

from grove import _core
from grove.monitoring.run_info import format_run_info, gmctime

__all__ = ["GreenletTracer", "HubSwitchTracer", "MaxSwitchTracer"]


class GreenletTracer:
    """Counts the switches of a thread.

    Args:
        hub: the Hub of the thread; None is the calling thread's.
    """

    #: Whether it looks at all switches, or only at those to the hub.
    hub_only = False

    def __init__(self, hub: Any = None) -> None:
        self._hub = _core.get_hub() if hub is None else hub
        _core.watch_switches(self._hub, True)
        self._watching = True
        self._seen = -1

    def _figures(self) -> tuple | None:
        return _core.switch_figures(self._hub) if self._watching else None

    @property
    def greenlet_switch_counter(self) -> int:
        """How many switches there were since somebody looks."""
        figures = self._figures()
        return figures[0] if figures else 0

    @property
    def active_greenlet(self) -> Any:
        """Who runs."""
        figures = self._figures()
        return figures[6] if figures else None

    @property
    def previous_trace_function(self) -> Any:
        """None: it is no trace function."""
        return None

    def kill(self) -> None:
        """Look no more."""
        if self._watching:
            self._watching = False
            _core.watch_switches(self._hub, False)

    def _is_free(self, figures: tuple | None, hub: Any) -> bool:
        return not figures or figures[7] or figures[6] is None or figures[6] is hub

    def did_block_hub(self, hub: Any) -> tuple[bool, Any]:
        """Whether there was no switch since this was asked last; who runs.

        Never while the hub waits for events.
        """
        figures = self._figures()
        if self._is_free(figures, hub):
            self._seen = -1
            return False, figures[6] if figures else None
        assert figures
        blocked = figures[0] == self._seen
        self._seen = figures[0]
        return blocked, figures[6]

    def did_block_hub_report(
        self, hub: Any, active_greenlet: Any, format_kwargs: dict[str, Any]
    ) -> list[str]:
        """Lines about active_greenlet, which blocks: what it does, and everything
        else that runs.

        Args:
            hub: whose thread it is.
            active_greenlet: who blocks it.
            format_kwargs: for format_run_info.
        """
        frame = sys._current_frames().get(hub.thread_ident)
        report = [
            "=" * 80,
            f"\n{gmctime()} : Greenlet {active_greenlet} appears to be blocked",
            f"    Reported by {self}",
            f"Blocked Stack (for thread id {hub.thread_ident:#x}):",
            "".join(traceback.format_stack(frame)) if frame else "    (none)",
            "Info:",
        ]
        report.extend(format_run_info(**format_kwargs))
        return report

    def __enter__(self) -> "GreenletTracer":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()


class _TimedTracer(GreenletTracer):
    """What measures."""

    def __init__(self, hub: Any, max_blocking_time: float) -> None:
        super().__init__(hub)
        self.max_blocking_time = max_blocking_time
        _core.switch_figures_reset(self._hub)


class HubSwitchTracer(_TimedTracer):
    """Tells whether too much time has passed since somebody last waited.

    Args:
        hub: the Hub of the thread.
        max_blocking_time: seconds.
    """

    hub_only = True

    @property
    def last_entered_hub(self) -> float:
        """Seconds since then."""
        figures = self._figures()
        return figures[3] if figures else 0.0

    def did_block_hub(self, hub: Any) -> tuple[bool, Any]:
        """Whether nobody has waited for that time; who runs."""
        figures = self._figures()
        if not figures or figures[7]:
            return False, None
        longest = max(figures[3], figures[5])
        return longest > self.max_blocking_time, figures[6]


class MaxSwitchTracer(_TimedTracer):
    """Tells whether too much time passed between two switches.

    Args:
        hub: the Hub of the thread.
        max_blocking_time: seconds.
    """

    @property
    def max_blocking(self) -> float:
        """The longest so far, in seconds."""
        figures = self._figures()
        return max(figures[2], figures[4]) if figures else 0.0

    def did_block_hub(self, hub: Any) -> tuple[bool, Any]:
        """Whether somebody ran for longer than that at a stretch; who runs."""
        figures = self._figures()
        if not figures:
            return False, None
        return self.max_blocking > self.max_blocking_time, figures[6]
