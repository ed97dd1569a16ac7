"""Native threads and what they need, whatever was patched."""

from grove.stdlib.natives import Empty as EmptyTimeout
from grove.stdlib.natives import SimpleQueue as Queue
from grove.stdlib.natives import allocate_lock as Lock
from grove.stdlib.natives import get_ident as get_thread_ident
from grove.stdlib.natives import start_new_thread

__all__ = ["EmptyTimeout", "Lock", "Queue", "get_thread_ident", "start_new_thread"]
