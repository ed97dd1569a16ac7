"""How a threading.Thread refers to the thread that runs it, which differs between
interpreters.

Up to Python 3.12 that is a lock, `_tstate_lock`, which is released when the thread
ends; from 3.13 on it is a handle, in a field that 3.14 has renamed.
"""

import _thread
import threading
from typing import Any

HAS_HANDLES = hasattr(_thread, "_ThreadHandle")

_FIELD = (
    "_os_thread_handle"
    if hasattr(threading.main_thread(), "_os_thread_handle")
    else "_handle"
)


def handle_of(thread: threading.Thread) -> Any:
    """The handle of thread."""
    return getattr(thread, _FIELD)


def set_handle(thread: threading.Thread, handle: Any) -> None:
    """Have thread alive and joined as handle is."""
    setattr(thread, _FIELD, handle)
