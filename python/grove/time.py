"""The module time, with a sleep that lets other greenlets run."""

import time as _time

from grove._core import sleep

__implements__ = ["sleep"]
__extensions__: list[str] = []
__imports__ = [
    name
    for name in dir(_time)
    if not name.startswith("__") and name not in __implements__
]
__all__ = __implements__ + __imports__

globals().update({name: getattr(_time, name) for name in __imports__})
