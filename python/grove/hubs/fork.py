"""Forking. The runtime notices every fork, however it is made: the child has
its hub, with a fresh loop, and the greenlets of the forking thread."""

import os
import sys

from grove._core import forks_alone

__all__ = ["fork", "forkpty"]

_fork = os.fork
_forkpty = os.forkpty


#: Modules whose children work in the program's place and never return from where
#: they were forked: greenlets that went on there would do their work twice.
_FOR_WORKERS = frozenset(
    ("multiprocessing.popen_fork", "multiprocessing.forkserver", "billiard.popen_fork")
)


def fork() -> int:
    """os.fork(): 0 in the child, the child's number in the parent.

    Raises OSError. The child's greenlets wait on for what they waited for; the
    pool of threads of its hub is fresh. Only a worker of multiprocessing has no
    greenlets but its own, as it has no threads but its own.

    >>> import os
    >>> import grove
    >>> pid = grove.fork()
    >>> if pid == 0:
    ...     os._exit(3)
    >>> os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    3
    """
    if sys._getframe(1).f_globals.get("__name__") in _FOR_WORKERS:
        return _fork_worker()
    return _fork()


#: Whether such a worker is being forked, for what is called in the child.
_worker = False


def is_worker() -> bool:
    """For functions of os.register_at_fork: the child has no other greenlets."""
    return _worker


def _fork_worker() -> int:
    global _worker
    _worker = True
    forks_alone(True)
    try:
        return _fork()
    finally:
        _worker = False
        forks_alone(False)


def forkpty() -> tuple[int, int]:
    """os.forkpty(): as fork, with a new terminal for the child.

    Returns the child's number and the descriptor of the terminal's other end.

    >>> import grove.os, os
    >>> pid, terminal = grove.os.forkpty()
    >>> if pid == 0:
    ...     os.write(1, b"hello")
    ...     os._exit(0)
    >>> grove.os.read(terminal, 5)
    b'hello'
    >>> os.waitpid(pid, 0)[1], os.close(terminal)
    (0, None)
    """
    return _forkpty()
