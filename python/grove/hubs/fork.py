"""Forking. The runtime notices every fork, however it is made: the child has
its hub, with a fresh loop, and the greenlets of the forking thread."""

import os

__all__ = ["fork", "forkpty"]

_fork = os.fork
_forkpty = os.forkpty


def fork() -> int:
    """os.fork(): 0 in the child, the child's number in the parent.

    Raises OSError. The child's greenlets wait on for what they waited for; the
    pool of threads of its hub is fresh.
    """
    return _fork()


def forkpty() -> tuple[int, int]:
    """os.forkpty(): as fork, with a new terminal for the child.

    Returns the child's number and the descriptor of the terminal's other end.
    """
    return _forkpty()
