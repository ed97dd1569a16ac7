"""Threads and what they wait in: _thread, threading, queue, logging's locks."""

import sys
from typing import Any

from grove import event, events
from grove.patching import existing_locks as _existing
from grove.patching import running_threads
from grove.patching.module import patch_by_name
from grove.patching.originals import is_object_patched, patch_item
from grove.patching.warning import warn
from grove.stdlib import natives


def patch_thread(
    threading: bool = True,
    _threading_local: bool = True,
    Event: bool = True,
    logging: bool = True,
    existing_locks: bool = True,
) -> bool:
    """Make threads greenlets, and locks wait for each other as greenlets do.

    Args:
        threading: the module threading, too, not only _thread.
        _threading_local: _threading_local.local, too.
        Event: threading.Event, too.
        logging: the locks of logging and its handlers, if it is imported.
        existing_locks: as far as they can be found, locks that modules have
            made already, if the process has one thread only.

    >>> import threading, time
    >>> from grove import monkey
    >>> monkey.patch_time() and monkey.patch_thread()
    True
    >>> threads = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(100)]
    >>> for thread in threads:
    ...     thread.start()
    >>> for thread in threads:
    ...     thread.join(timeout=2)
    >>> any(thread.is_alive() for thread in threads)
    False
    """
    import threading as module

    import grove.thread
    import grove.threading

    first = not is_object_patched("threading", "_shutdown")
    if first and threading and natives.get_ident() != natives.MAIN_THREAD_IDENT:
        warn("patched on a thread other than the main one, which may be in a wait")
    if not patch_by_name("thread", told=False):
        return False
    if threading:
        if not patch_by_name("threading", told=False):
            return False
        if Event:
            patch_item(module, "Event", event.Event)
        _existing.replace_own_locks(module)
        if existing_locks:
            _existing.replace_locks()
        if logging:
            _existing.replace_logging_locks()
        if first:
            running_threads.take_over()
    if _threading_local:
        _patch_threading_local()
    _tell("thread", grove.thread, sys.modules["_thread"])
    if threading:
        _tell("threading", grove.threading, module)
    return True


def _patch_threading_local() -> None:
    import _threading_local

    from grove.local import local

    patch_item(_threading_local, "local", local)


def _tell(name: str, source: Any, target: Any) -> None:
    events.notify_and_call_entry_points(
        events.GeventDidPatchModuleEvent(name, source, target)
    )


def patch_queue() -> bool:
    """Make the module queue's queues wait as greenlets do.

    >>> import queue
    >>> from grove import monkey
    >>> monkey.patch_queue()
    True
    >>> queue.SimpleQueue.__module__
    'grove.queue'
    """
    return patch_by_name("queue")
