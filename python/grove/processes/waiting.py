"""Waiting for the end of a child, which is not reaped by it.

A process descriptor tells of the end of one child, in any thread's hub. Of any
child nothing tells but SIGCHLD, which is the program's: for that a native thread
waits.
"""

import os
import select

from grove import _core
from grove.threads.offload import run_in_thread

_POLLIN = select.POLLIN
_pidfd_open = os.pidfd_open
_close = os.close
_waitid = os.waitid

#: Between two looks where there is no process descriptor to be had, in seconds.
_SHORTEST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.05


def has_greenlets() -> bool:
    """Whether the calling thread has a hub: otherwise it may as well block."""
    return _core._get_hub() is not None


def await_end(pid: int, timeout: float | None = None) -> bool:
    """Park until process pid has ended, or never was; whether that is so.

    Args:
        timeout: seconds, after which it is False.
    """
    try:
        fd = _pidfd_open(pid)
    except ProcessLookupError:
        return True
    except OSError:
        return _look_now_and_then(pid, timeout)
    try:
        return bool(_core.poll([(fd, _POLLIN)], timeout))
    finally:
        _core.fd_closed(fd)
        _close(fd)


def _look_now_and_then(pid: int, timeout: float | None) -> bool:
    """The same without a descriptor: there are none left, or a filter of system
    calls forbids it."""
    pause, waited = _SHORTEST_PAUSE, 0.0
    while not _has_ended(pid):
        if timeout is not None and waited >= timeout:
            return False
        _core.sleep(pause)
        waited += pause
        pause = min(pause * 2, _LONGEST_PAUSE)
    return True


def _has_ended(pid: int) -> bool:
    try:
        return (
            _waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        )
    except ChildProcessError:
        return True


def await_any(idtype: int, id: int, options: int) -> None:
    """Park until waitid(idtype, id, options) would not wait; OSError as it."""
    run_in_thread(_waitid, idtype, id, options | os.WNOWAIT)
