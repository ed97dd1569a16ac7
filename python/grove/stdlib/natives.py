"""What native threads are made of, whatever is patched.

Our modules take these names from here and nowhere else. What patches the module
_thread imports this one first, so that they are never replacements.
"""

import threading
from _queue import Empty, SimpleQueue  # type: ignore[import]
from _thread import RLock, allocate_lock, get_ident, stack_size, start_new_thread  # type: ignore[attr-defined]

__all__ = [
    "MAIN_THREAD_IDENT",
    "Empty",
    "RLock",
    "SimpleQueue",
    "allocate_lock",
    "get_ident",
    "stack_size",
    "start_new_thread",
]

MAIN_THREAD_IDENT = threading.main_thread().ident
