"""Native threads and what they need, whatever was patched."""

from _queue import Empty as EmptyTimeout
from _queue import SimpleQueue as Queue
from _thread import allocate_lock as Lock
from _thread import get_ident as get_thread_ident
from _thread import start_new_thread

__all__ = ["EmptyTimeout", "Lock", "Queue", "get_thread_ident", "start_new_thread"]
