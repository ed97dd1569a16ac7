"""What greenlets can wait for: the protocol of links.

A link is a function that is called, in the hub, with the object once the object
is ready.
"""

from grove._core import AbstractLinkable

__all__ = ["AbstractLinkable"]
