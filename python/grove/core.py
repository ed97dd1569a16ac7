"""What the event loop has for those who use it directly."""

from grove._core import READ, WRITE

__all__ = ["READ", "WRITE"]
