"""The module os, with the calls that wait made cooperative.

read, readinto and write work on descriptors of every kind while other greenlets
run, and so do wait, waitid and waitpid. fork and forkpty are the system's, and the
runtime sees to the child's hub; posix_spawn is as fast as ever. The functions with
an underscore in their names are gevent's additions.
"""

import errno
import os as _stdlib
import time
from collections.abc import Callable
from typing import Any

from grove import _core
from grove._core import get_hub
from grove.hubs.fork import fork, forkpty
from grove.processes.waiting import await_any, await_end, has_greenlets
from grove.settings.config import config
from grove.stdlib.mirror import mirror

__implements__ = [
    "close",
    "fork",
    "forkpty",
    "posix_spawn",
    "posix_spawnp",
    "read",
    "wait",
    "waitid",
    "waitpid",
    "write",
]
if hasattr(_stdlib, "readinto"):  # from Python 3.14 on
    __implements__.append("readinto")
__extensions__ = [
    "fork_and_watch",
    "fork_gevent",
    "forkpty_and_watch",
    "forkpty_gevent",
    "make_nonblocking",
    "nb_read",
    "nb_write",
    "tp_read",
    "tp_write",
]
__imports__ = mirror(_stdlib, globals(), __implements__)
__all__ = __implements__ + __extensions__

_WNOHANG = _stdlib.WNOHANG
_read = _stdlib.read
_write = _stdlib.write
_waitpid = _stdlib.waitpid
_waitid = _stdlib.waitid

posix_spawn = _stdlib.posix_spawn
posix_spawnp = _stdlib.posix_spawnp

close = _core.os_close
read = _core.os_read
if "readinto" in __implements__:
    readinto = _core.os_readinto
write = _core.os_write

# ---- reading and writing -----------------------------------------------------


def make_nonblocking(fd: int) -> bool | None:
    """Set fd non-blocking; True if it was not, None if it was.

    >>> import os
    >>> from grove.os import make_nonblocking
    >>> reading, writing = os.pipe()
    >>> make_nonblocking(reading), make_nonblocking(reading)
    (True, None)
    """
    if not _stdlib.get_blocking(fd):
        return None
    _stdlib.set_blocking(fd, False)
    return True


def nb_read(fd: int, n: int) -> bytes:
    """Read up to n bytes from a non-blocking descriptor; b"" at the end.

    Other greenlets run until there is something to read.

    >>> import os
    >>> from grove.os import make_nonblocking, nb_read
    >>> reading, writing = os.pipe()
    >>> make_nonblocking(reading)
    True
    >>> os.write(writing, b"hello")
    5
    >>> nb_read(reading, 100)
    b'hello'
    """
    while True:
        try:
            return _read(fd, n)
        except BlockingIOError:
            _core.wait_read(fd)


def nb_write(fd: int, buf: Any) -> int:
    """Write as much of buf to a non-blocking descriptor as there is room for.

    Other greenlets run until there is room. Returns how many bytes were written.

    >>> import grove.os, os
    >>> r, w = os.pipe()
    >>> grove.os.make_nonblocking(w)
    True
    >>> grove.os.nb_write(w, b"hello")
    5
    >>> os.close(r), os.close(w)
    (None, None)
    """
    while True:
        try:
            return _write(fd, buf)
        except BlockingIOError:
            _core.wait_write(fd)


def tp_read(fd: int, n: int) -> bytes:
    """Read up to n bytes on a native thread of the hub's pool.

    >>> import os
    >>> from grove.os import tp_read
    >>> reading, writing = os.pipe()
    >>> os.write(writing, b"hello")
    5
    >>> tp_read(reading, 100)
    b'hello'
    """
    return get_hub().threadpool.apply(_read, (fd, n))


def tp_write(fd: int, buf: Any) -> int:
    """Write buf on a native thread of the hub's pool; how many bytes were.

    >>> import grove.os, os
    >>> r, w = os.pipe()
    >>> grove.os.tp_write(w, b"hello")
    5
    >>> os.close(r), os.close(w)
    (None, None)
    """
    return get_hub().threadpool.apply(_write, (fd, buf))


# ---- children ------------------------------------------------------------------

#: Children of fork_and_watch: their watcher, and once they have ended what
#: waitpid is to return and when that was: {pid: watcher | (pid, status, time)}.
_watched_children: dict[int, Any] = {}


def _on_child(watcher: Any, callback: Callable[[Any], object] | None) -> None:
    """A child of fork_and_watch has ended, and was reaped."""
    watcher.stop()
    _reap_children()
    if callback:
        callback(watcher)
    # Unless the callback has taken it already.
    _watched_children[watcher.pid] = (watcher.pid, watcher.rstatus, time.time())
    watcher.close()


def _reap_children(timeout: float = 60) -> None:
    """Forget children that ended so many seconds ago and nobody has asked for."""
    before = time.time() - timeout
    for pid, child in list(_watched_children.items()):
        if isinstance(child, tuple) and child[2] < before:
            del _watched_children[pid]


def fork_gevent() -> int:
    """fork(), and the child's hub is fit for use. (grove.reinit)

    >>> import grove.os, os
    >>> pid = grove.os.fork_gevent()
    >>> if pid == 0:
    ...     grove.sleep(0.01)
    ...     os._exit(0)
    >>> grove.os.waitpid(pid, 0)[1]
    0
    """
    return fork()


def forkpty_gevent() -> tuple[int, int]:
    """forkpty(), and the child's hub is fit for use.

    >>> import grove.os, os
    >>> pid, terminal = grove.os.forkpty_gevent()
    >>> if pid == 0:
    ...     grove.sleep(0.01)
    ...     os._exit(0)
    >>> grove.os.waitpid(pid, 0)[1], os.close(terminal)
    (0, None)
    """
    return forkpty()


def fork_and_watch(
    callback: Callable[[Any], object] | None = None,
    loop: Any = None,
    ref: bool = False,
    fork: Callable[[], int] = fork_gevent,
) -> int:
    """Fork, and reap the child when it has ended.

    Args:
        callback: is called then, in the hub, with the child's watcher.
        loop: the main thread's, whose hub watches.
        ref: whether the watcher keeps the loop going.
        fork: what forks.

    waitpid still tells its status, for a minute.

    >>> import grove.os, os
    >>> pid = grove.os.fork_and_watch()
    >>> if pid == 0:
    ...     os._exit(3)
    >>> os.waitstatus_to_exitcode(grove.os.waitpid(pid, 0)[1])
    3
    """
    pid = fork()
    if pid:
        _watch_child(pid, callback, loop, ref)
    return pid


def forkpty_and_watch(
    callback: Callable[[Any], object] | None = None,
    loop: Any = None,
    ref: bool = False,
    forkpty: Callable[[], tuple[int, int]] = forkpty_gevent,
) -> tuple[int, int]:
    """As fork_and_watch, with a terminal for the child: (pid, its descriptor).

    >>> import grove.os, os
    >>> pid, terminal = grove.os.forkpty_and_watch()
    >>> if pid == 0:
    ...     os._exit(3)
    >>> os.waitstatus_to_exitcode(grove.os.waitpid(pid, 0)[1])
    3
    >>> os.close(terminal)
    """
    pid, fd = forkpty()
    if pid:
        _watch_child(pid, callback, loop, ref)
    return pid, fd


def _watch_child(
    pid: int, callback: Callable[[Any], object] | None, loop: Any, ref: bool
) -> None:
    if config.disable_watch_children:
        return
    loop = loop or get_hub().loop
    watcher = loop.child(pid, ref=ref)
    _watched_children[pid] = watcher
    watcher.start(_on_child, watcher, callback)


def _take_watched(pid: int) -> tuple[int, int] | None:
    """What waitpid is to say of a watched child that has ended; -1 is any."""
    pids = [pid] if pid > 0 else list(_watched_children)
    for number in pids:
        child = _watched_children.get(number)
        if isinstance(child, tuple):
            del _watched_children[number]
            return child[:2]
    return None


def _await_watched(pid: int) -> tuple[int, int]:
    """Wait for a watched child, which its watcher reaps, or who is first."""
    while (found := _take_watched(pid)) is None:
        await_end(pid)
        watcher = _watched_children.get(pid)
        if watcher is None:
            raise ChildProcessError(errno.ECHILD, _stdlib.strerror(errno.ECHILD))
        if isinstance(watcher, tuple):
            continue
        if not watcher.rpid:
            # Raises if it was reaped behind the watcher's back.
            _core.child_ended(*_waitpid(pid, _WNOHANG))
        _core.sleep(0)  # the watcher's turn
    return found


def waitpid(pid: int, options: int, /) -> tuple[int, int]:
    """As os.waitpid, while other greenlets run.

    Children of fork_and_watch are known to it, though they are reaped already.

    >>> import grove.os, os
    >>> pid = os.fork()
    >>> if pid == 0:
    ...     os._exit(3)
    >>> os.waitstatus_to_exitcode(grove.os.waitpid(pid, 0)[1])
    3
    """
    found = _reaped(pid, options)
    _core.child_ended(*found)
    return found


def _reaped(pid: int, options: int) -> tuple[int, int]:
    if _watched_children:
        if pid in (-1, 0) or pid in _watched_children:
            found = _take_watched(pid)
            if found is not None:
                return found
        if pid in _watched_children:
            return (0, 0) if options & _WNOHANG else _await_watched(pid)
    if options & _WNOHANG or not has_greenlets():
        return _waitpid(pid, options)
    while (found := _waitpid(pid, options | _WNOHANG)) == (0, 0):
        if pid > 0 and not options & (_stdlib.WUNTRACED | _stdlib.WCONTINUED):
            await_end(pid)
        else:
            await_any(*_as_waitid(pid, options))
    return found


def _as_waitid(pid: int, options: int) -> tuple[int, int, int]:
    """What waitid is called with for what waitpid is."""
    wanted = _stdlib.WEXITED | (options & _stdlib.WCONTINUED)
    if options & _stdlib.WUNTRACED:
        wanted |= _stdlib.WSTOPPED
    if pid == -1:
        return _stdlib.P_ALL, 0, wanted
    if pid > 0:
        return _stdlib.P_PID, pid, wanted
    return _stdlib.P_PGID, -pid or _stdlib.getpgrp(), wanted


def wait() -> tuple[int, int]:
    """As os.wait, while other greenlets run.

    >>> import grove.os, os
    >>> pid = os.fork()
    >>> if pid == 0:
    ...     os._exit(0)
    >>> grove.os.wait() == (pid, 0)
    True
    """
    return waitpid(-1, 0)


#: The status, as waitpid has it, of what waitid says of a child that has ended.
_ENDS: dict[int, Callable[[int], int]] = {
    _stdlib.CLD_EXITED: lambda code: (code & 0xFF) << 8,
    _stdlib.CLD_KILLED: lambda signal: signal,
    _stdlib.CLD_DUMPED: lambda signal: signal | 0x80,
}


def waitid(idtype: int, id: int, options: int, /) -> Any:
    """As os.waitid, while other greenlets run.

    >>> import grove.os, os
    >>> pid = os.fork()
    >>> if pid == 0:
    ...     os._exit(3)
    >>> grove.os.waitid(os.P_PID, pid, os.WEXITED).si_status
    3
    """
    found = _await_id(idtype, id, options)
    if found and not options & _stdlib.WNOWAIT and found.si_code in _ENDS:
        _core.child_ended(found.si_pid, _ENDS[found.si_code](found.si_status))
    return found


def _await_id(idtype: int, id: int, options: int) -> Any:
    if options & _WNOHANG or not has_greenlets():
        return _waitid(idtype, id, options)
    while (found := _waitid(idtype, id, options | _WNOHANG)) is None:
        if idtype == _stdlib.P_PID and not options & (
            _stdlib.WSTOPPED | _stdlib.WCONTINUED
        ):
            await_end(id)
        else:
            await_any(idtype, id, options)
    return found


# ---- patching --------------------------------------------------------------------


def _gevent_did_monkey_patch(target: Any, items: Any, warn: Any) -> None:
    """multiprocessing waits in these functions, and in semaphores."""
    from grove.processes.workers import patch_imported

    patch_imported(read, write, close)
