"""Queues for greenlets and threads: the module queue of the standard library,
and more. They are compiled (python/src/queue/).
"""

import sys
from queue import Empty, Full

from grove import _core
from grove._core import (
    Channel,
    LifoQueue,
    PriorityQueue,
    Queue,
    SimpleQueue,
    UnboundQueue,
)
from grove.sync.queue_locks import QueueLocks

if sys.version_info >= (3, 13):
    from queue import ShutDown
else:

    class ShutDown(Exception):
        """put() or get() was called on a queue that was shut down."""

        __module__ = "queue"


__all__ = [
    "Channel",
    "Empty",
    "Full",
    "JoinableQueue",
    "LifoQueue",
    "PriorityQueue",
    "Queue",
    "ShutDown",
    "SimpleQueue",
]

#: What patch_queue() puts into the standard module.
__implements__ = ["SimpleQueue", "Queue", "PriorityQueue", "LifoQueue"]

JoinableQueue = Queue

_core._set_queue_parts(Empty, Full, ShutDown, QueueLocks)
