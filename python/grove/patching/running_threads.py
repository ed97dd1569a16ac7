"""Threads that run when threads are patched, and those that run at the
interpreter's end and at a fork."""

import functools
import os
import sys
import threading
import time
from typing import Any

from grove import thread as green_thread
from grove import threading as green_threading
from grove._core import _get_hub, sleep, thread_background
from grove.event import Event
from grove.hubs.fork import is_worker
from grove.patching.originals import patch_item
from grove.stdlib import natives
from grove.stdlib.handles import HAS_HANDLES, handle_of, set_handle
from grove.thread import LockType, get_ident

#: The standard module with its private names, of which type checkers know nothing.
_threading: Any = threading

#: The main thread that there was when threads were patched, and the lock that is
#: released at its end, before Python 3.13.
_main: list[Any] = []
_main_lock = LockType()


def take_over() -> None:
    """Have the threads that run joined by greenlets, and at the end those that
    greenlets are. Once."""
    _main.append(threading.main_thread())
    for thread in list(_threading._active.values()):
        if thread is threading.main_thread() and _is_mine(thread):
            _take_over_main(thread)
        else:
            _make_joinable(thread)
    _take_over_shutdown()
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _is_mine(thread: threading.Thread) -> bool:
    return thread.ident == natives.get_ident()


# ---- the main thread --------------------------------------------------------


def _take_over_main(main: Any) -> None:
    """What is released at its end, which the interpreter's end is, becomes ours."""
    if HAS_HANDLES:
        handle = green_thread._ThreadHandle()
        handle.ident = main.ident
        set_handle(main, handle)
        return
    _main_lock.acquire()
    # The interpreter has no other use for its own than to release it.
    with _threading._shutdown_locks_lock:
        _threading._shutdown_locks.discard(main._tstate_lock)
        _threading._shutdown_locks.add(_main_lock)
    main._tstate_lock = _main_lock


# ---- native threads ---------------------------------------------------------


#: Seconds between two looks at a thread that cannot be waited for.
_POLL = 0.01


class _NativeEnd:
    """The end of a native thread, for greenlets: another one waits for it."""

    def __init__(self, wait: Any, is_over: Any) -> None:
        self._wait = wait
        self._is_over = is_over
        self._event = Event()
        self._watched = False

    def _watch(self) -> None:
        self._wait()
        self._event.set()

    def wait(self, timeout: float | None) -> None:
        if not self._watched:
            try:
                natives.start_new_thread(self._watch, ())
            except RuntimeError:  # none can be started: the interpreter ends
                self._poll(timeout)
                return
            self._watched = True
        self._event.wait(timeout)

    def _poll(self, timeout: float | None) -> None:
        end = None if timeout is None else time.monotonic() + timeout
        while not self._is_over() and (end is None or time.monotonic() < end):
            sleep(_POLL)


class _NativeHandle:
    """The handle of a native thread, which greenlets can join."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._end = _NativeEnd(handle.join, handle.is_done)

    @property
    def ident(self) -> int:
        return self._handle.ident

    def is_done(self) -> bool:
        return self._handle.is_done()

    def _set_done(self) -> None:
        self._handle._set_done()

    def join(self, timeout: float | None = None) -> None:
        if self.ident == natives.get_ident() or self.is_done():
            self._handle.join(timeout)  # raises what there is to be raised
        else:
            self._end.wait(None if timeout is None or timeout < 0 else timeout)


def _make_joinable(thread: Any) -> None:
    if HAS_HANDLES:
        set_handle(thread, _NativeHandle(handle_of(thread)))
    elif thread._tstate_lock is not None:
        native = thread._wait_for_tstate_lock
        thread._wait_for_tstate_lock = functools.partial(
            _wait_for_thread, native, _NativeEnd(native, lambda: not thread.is_alive())
        )


def _wait_for_thread(
    native: Any, end: _NativeEnd, block: bool = True, timeout: float = -1
) -> None:
    """Thread._wait_for_tstate_lock, of a native thread."""
    if block:
        end.wait(None if timeout < 0 else timeout)
    native(False)


# ---- the interpreter's end ----------------------------------------------------


def _join_all() -> None:
    """The program has come to its end: wait for the threads that are to be waited
    for, while their greenlets go on."""
    thread_background(False)  # it wakes them
    for thread in list(_threading._active.values()):
        if _is_native(thread) and not thread.daemon:
            thread.join()


def _is_native(thread: Any) -> bool:
    if HAS_HANDLES:
        return isinstance(handle_of(thread), _NativeHandle)
    return "_wait_for_tstate_lock" in vars(thread)


def _take_over_shutdown() -> None:
    native_shutdown = _threading._shutdown

    def _shutdown() -> None:
        """Wait for the threads that are no daemons."""
        native_shutdown()
        _let_others()

    patch_item(threading, "_shutdown", _shutdown)
    # They are called from the last to the first.
    _threading._threading_atexits.insert(0, _join_all)
    if not HAS_HANDLES:
        return
    wait_for_native = _threading._thread_shutdown

    def _thread_shutdown() -> None:
        while green_thread._non_daemons:  # type: ignore[attr-defined]
            next(iter(green_thread._non_daemons)).join()  # type: ignore[attr-defined]
        wait_for_native()

    patch_item(threading, "_thread_shutdown", _thread_shutdown)


def _let_others() -> None:
    """Who has joined the main thread gets a turn."""
    hub = _get_hub()
    if hub is None:
        return
    try:
        sleep(0)
    except BaseException:
        hub.print_exception(None, *sys.exc_info())


# ---- forks ----------------------------------------------------------------------


def _after_fork_in_child() -> None:
    """The greenlets of the thread that forked go on in the child, unless it is a
    worker's. The module threading has taken all but one of them for gone."""
    if is_worker():
        _forget_others()
        return
    for ident, running in list(green_threading._running.items()):
        if running.greenlet.dead:
            del green_threading._running[ident]
        elif ident != get_ident():
            _bring_back(running, ident)
    main = _main[0]
    if main.ident == natives.get_ident() and main.ident != get_ident():
        _threading._main_thread = _threading._active[main.ident] = main
        _revive(main, _main_lock)


def _forget_others() -> None:
    for ident in [i for i in green_threading._running if i != get_ident()]:
        del green_threading._running[ident]
    _main[0] = threading.main_thread()
    if HAS_HANDLES:
        green_thread._non_daemons.clear()  # type: ignore[attr-defined]


def _bring_back(running: Any, ident: int) -> None:
    if running.thread._started.is_set():
        _threading._active[ident] = running.thread
    else:
        _threading._limbo[running.thread] = running.thread
    _revive(running.thread, running.lock)


def _revive(thread: Any, lock: Any) -> None:
    if HAS_HANDLES:
        return
    thread._is_stopped = False
    thread._tstate_lock = lock
    if lock is not None and not thread.daemon:
        _threading._shutdown_locks.add(lock)
