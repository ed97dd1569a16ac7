"""The raw greenlet: what `import greenlet` gives.

(`grove.greenlet` is another module: the one that gevent calls
`gevent.greenlet`.)
"""

from grove import _core
from grove._core import GreenletExit, error, getcurrent, gettrace, greenlet, settrace

__all__ = [
    "GreenletExit",
    "error",
    "getcurrent",
    "gettrace",
    "greenlet",
    "settrace",
]

# The version of greenlet whose interface this is.
__version__ = "3.1.1"

GREENLET_USE_GC = True
GREENLET_USE_TRACING = True
GREENLET_USE_CONTEXT_VARS = True
GREENLET_USE_STANDARD_THREADING = True

# For extensions that were compiled against greenlet.h.
if hasattr(_core, "_C_API"):
    _C_API = _core._C_API
