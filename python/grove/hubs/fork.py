"""Forking. The runtime notices every fork, however it is made: the child has
its hub, with a fresh loop, and the greenlets of the forking thread."""

import os

__all__ = ["fork"]

_fork = os.fork


def fork() -> int:
    """os.fork(): 0 in the child, the child's number in the parent.

    Raises OSError. The child's greenlets wait on for what they waited for; the
    pool of threads of its hub is fresh.
    """
    return _fork()
