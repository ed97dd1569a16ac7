"""The module selectors, on the cooperative select."""

import selectors as _stdlib
from typing import TYPE_CHECKING, Any

from grove import select as _select
from grove._core import get_hub as _get_hub
from grove.hubs.attributes import Lazy as _Lazy
from grove.stdlib.mirror import mirror

__implements__ = ["DefaultSelector"]
__extensions__ = ["GeventSelector"]
__imports__ = mirror(_stdlib, globals(), __implements__)
__all__ = __implements__ + __extensions__


class GeventSelector(_stdlib.EpollSelector):
    """The standard's best selector, whose waits let other greenlets run.

    Args:
        hub: what the attribute is; by default the hub of who first reads it. Who
            calls select waits in the hub of its own thread.

    >>> from grove import selectors, socket
    >>> a, b = socket.socketpair()
    >>> with selectors.DefaultSelector() as selector:
    ...     key = selector.register(a, selectors.EVENT_WRITE, data="mine")
    ...     [ready.data for ready, events in selector.select()]
    ['mine']
    >>> a.close(), b.close()
    (None, None)
    """

    _selector_cls = _select.epoll

    def __init__(self, hub: Any = None) -> None:
        super().__init__()
        if hub is not None:
            self.hub = hub

    @_Lazy
    def hub(self) -> Any:
        """The hub that it was made for."""
        return _get_hub()


DefaultSelector = GeventSelector


def _gevent_did_monkey_patch(target: Any, items: list[str], warn: Any) -> None:
    """The classes that are not replaced wait through what they hold."""
    target.PollSelector._selector_cls = _select.poll
    target.EpollSelector._selector_cls = _select.epoll
    target.SelectSelector._select = staticmethod(_select.select)

if TYPE_CHECKING:  # what is mirrored; the names above stay ours, as it remarks
    from selectors import *  # type: ignore
