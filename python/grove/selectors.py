"""The module selectors, on the cooperative select."""

import selectors as _stdlib
from typing import Any

from grove import select as _select
from grove.stdlib.mirror import mirror

__implements__ = ["DefaultSelector"]
__extensions__ = ["GeventSelector"]
__imports__ = mirror(_stdlib, globals(), __implements__)
__all__ = __implements__ + __extensions__ + __imports__


class GeventSelector(_stdlib.PollSelector):
    """A selector whose waits let other greenlets run."""

    _selector_cls = _select.poll


DefaultSelector = GeventSelector


def _gevent_did_monkey_patch(target: Any, items: list[str], warn: Any) -> None:
    """The classes that are not replaced wait through what they hold."""
    target.PollSelector._selector_cls = _select.poll
    target.SelectSelector._select = staticmethod(_select.select)
