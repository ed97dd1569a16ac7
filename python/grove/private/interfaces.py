# mypy: disable-error-code="misc"
"""What a loop, a watcher and a callback offer, as zope.interface tells it.

There only where zope.interface is installed.
"""

from zope.interface import (  # type: ignore[import]
    Attribute,
    Interface,
    classImplements,
)

from grove import _core

__all__ = ["ICallback", "ILoop", "IWatcher"]


class ILoop(Interface):
    """An event loop."""

    default = Attribute("Whether it is the main thread's.")
    approx_timer_resolution = Attribute("Seconds that timers are exact to.")

    def run(nowait=False, once=False):  # noqa: N805
        """Let the loop run."""

    def now():
        """The time, in seconds since the epoch."""

    def update_now():
        """Read the clock."""

    def destroy():
        """It can be used no more."""

    def io(fd, events, ref=True, priority=None):  # noqa: N805
        """A watcher of a descriptor."""

    def closing_fd(fd):  # noqa: N805
        """fd is about to be closed."""

    def timer(after, repeat=0.0, ref=True, priority=None):  # noqa: N805
        """A watcher of time."""

    def signal(signum, ref=True, priority=None):  # noqa: N805
        """A watcher of a signal."""

    def idle(ref=True, priority=None):  # noqa: N805
        """A watcher of a loop that has nothing to do."""

    def prepare(ref=True, priority=None):  # noqa: N805
        """A watcher that is called before the loop sleeps."""

    def check(ref=True, priority=None):  # noqa: N805
        """A watcher that is called after it has."""

    def fork(ref=True, priority=None):  # noqa: N805
        """A watcher that is called in a forked child."""

    def async_(ref=True, priority=None):  # noqa: N805
        """A watcher that other threads wake."""

    def child(pid, trace=0, ref=True):  # noqa: N805
        """A watcher of a child's end."""

    def stat(path, interval=0.0, ref=True, priority=None):  # noqa: N805
        """A watcher of a file."""

    def run_callback(func, *args):  # noqa: N805
        """Call func(*args) in the hub."""

    def run_callback_threadsafe(func, *args):  # noqa: N805
        """The same from any thread."""


class IWatcher(Interface):
    """What calls back when something happens."""

    def start(callback, *args):  # noqa: N805
        """Call callback(*args) whenever it does."""

    def stop():
        """Do not call it any more."""

    def close():
        """Stop for good."""


class ICallback(Interface):
    """A call that is queued."""

    pending = Attribute("Whether it is yet to be called.")

    def stop():
        """Do not call it after all."""

    def close():
        """The same."""


classImplements(_core.loop, ILoop)
classImplements(_core.callback, ICallback)
classImplements(_core.watcher, IWatcher)
