"""The raw greenlet: what `import greenlet` gives.

(`grove.greenlet` is another module: the one that gevent calls
`gevent.greenlet`.)

Extensions in C find greenlet.h beside this file, and what it needs at run time
in `_C_API`.
"""

from grove._core import (
    CLOCKS_PER_SEC,
    GreenletExit,
    _C_API,
    enable_optional_cleanup,
    error,
    get_clocks_used_doing_optional_cleanup,
    getcurrent,
    gettrace,
    greenlet,
    settrace,
)
from grove._greenlet import _greenlet

__all__ = [
    "CLOCKS_PER_SEC",
    "GREENLET_USE_CONTEXT_VARS",
    "GREENLET_USE_GC",
    "GREENLET_USE_TRACING",
    "GreenletExit",
    "enable_optional_cleanup",
    "error",
    "get_clocks_used_doing_optional_cleanup",
    "getcurrent",
    "gettrace",
    "greenlet",
    "settrace",
]

# The version of greenlet whose interface this is.
__version__ = "3.5.3"

GREENLET_USE_GC = True
GREENLET_USE_TRACING = True
GREENLET_USE_CONTEXT_VARS = True
