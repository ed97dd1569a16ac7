"""`greenlet._greenlet`: greenlet's own insides, for programs that look there."""

from grove import _core
from grove._core import (
    CLOCKS_PER_SEC,
    GreenletExit,
    _C_API,
    enable_optional_cleanup,
    error,
    get_clocks_used_doing_optional_cleanup,
    get_pending_cleanup_count,
    get_total_main_greenlets,
    getcurrent,
    gettrace,
    greenlet,
    set_thread_local,
    settrace,
)
from grove._greenlet.unswitchable import UnswitchableGreenlet

GREENLET_USE_GC = True
GREENLET_USE_TRACING = True
GREENLET_USE_CONTEXT_VARS = True
GREENLET_USE_STANDARD_THREADING = True

if hasattr(_core, "get_tstate_trash_delete_nesting"):  # before CPython 3.13
    from grove._core import get_tstate_trash_delete_nesting
