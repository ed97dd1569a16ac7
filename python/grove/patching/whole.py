"""patch_all: all of the standard library that can be made cooperative."""

import importlib
from typing import Any

from grove import events
from grove.patching import libc as libc_calls
from grove.patching import parts, threads
from grove.patching.warning import warn

__all__ = ["patch_all"]

#: What was asked for so far: the arguments of all calls, by name.
_asked: dict[str, Any] = {}


def _is_repeated(arguments: dict[str, Any]) -> bool:
    """Whether everything asked for was asked for before; warns of differences."""
    if not _asked:
        return False
    if any(_asked.get(name) != value for name, value in arguments.items()):
        warn("patch_all was called more than once with different arguments")
    return all(_asked.get(name) or not value for name, value in arguments.items())


def patch_all(
    socket: bool = True,
    dns: bool = True,
    time: bool = True,
    select: bool = True,
    thread: bool = True,
    os: bool = True,
    ssl: bool = True,
    subprocess: bool = True,
    sys: bool = False,
    aggressive: bool = True,
    Event: bool = True,
    builtins: bool = True,
    signal: bool = True,
    queue: bool = True,
    contextvars: bool = True,
    libc: bool | None = None,
    **kwargs: Any,
) -> bool | None:
    """Make the standard library cooperative, in the parts that are true.

    Args:
        libc: libc's calls as well, in whatever is loaded into the process, so that
            drivers written in C let other greenlets run while they wait (see
            patch_libc). None: where the environment has GROVE_LIBC=1, and not
            otherwise.
        kwargs: are for the listeners of the events only.

    Returns True; False when a listener raised DoNotPatch; None when everything
    asked for had been patched already. With libc it raises OSError and ImportError
    as patch_libc does, when all else has been patched.

    >>> from grove import monkey
    >>> monkey.patch_all()
    True
    >>> import time, grove
    >>> tasks = [grove.spawn(time.sleep, 0.05) for _ in range(100)]
    >>> len(grove.joinall(tasks, timeout=2))
    100
    """
    if libc is None:
        libc = libc_calls.is_wanted_by_default()
    arguments = {k: v for k, v in locals().items() if k != "kwargs"}
    if _is_repeated(arguments):
        return None
    try:
        events.notify_and_call_entry_points(
            events.GeventWillPatchAllEvent(arguments, kwargs)
        )
    except events.DoNotPatch:
        return False
    for name, value in arguments.items():
        _asked[name] = _asked.get(name) or value

    if ssl:
        # The standard ssl derives its classes from the socket it finds.
        importlib.import_module("grove.ssl")
    if os:
        parts.patch_os()
    if thread:
        threads.patch_thread(Event=Event)
    if time:
        parts.patch_time()
    if sys:
        parts.patch_sys()
    if socket:
        parts.patch_socket(dns=dns, aggressive=aggressive)
    if select:
        parts.patch_select(aggressive=aggressive)
    if ssl:
        parts.patch_ssl()
    if subprocess:
        parts.patch_subprocess()
    if builtins:
        parts.patch_builtins()
    if contextvars:
        parts.patch_contextvars()
    if signal:
        parts.patch_signal()
    if queue:
        threads.patch_queue()
    if libc:
        libc_calls.patch_libc()
    events.notify_and_call_entry_points(
        events.GeventDidPatchBuiltinModulesEvent(arguments, kwargs)
    )
    events.notify_and_call_entry_points(
        events.GeventDidPatchAllEvent(arguments, kwargs)
    )
    return True
