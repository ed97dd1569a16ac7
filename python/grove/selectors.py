"""The module selectors, on the cooperative select."""

import selectors as _stdlib
from typing import Any

from grove import select as _select

__implements__ = ["DefaultSelector"]
__extensions__ = ["GeventSelector"]
__imports__ = [
    name
    for name in dir(_stdlib)
    if not name.startswith("__") and name not in __implements__
]
__all__ = __implements__ + __extensions__ + __imports__

globals().update({name: getattr(_stdlib, name) for name in __imports__})


class GeventSelector(_stdlib.PollSelector):
    """A selector whose waits let other greenlets run."""

    _selector_cls = _select.poll


DefaultSelector = GeventSelector


def _gevent_did_monkey_patch(target: Any) -> None:
    """The classes that are not replaced wait through what they hold."""
    target.PollSelector._selector_cls = _select.poll
    target.SelectSelector._select = staticmethod(_select.select)
