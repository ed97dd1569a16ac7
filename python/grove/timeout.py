"""Timeouts: an exception that comes to a greenlet when its time is up."""

from grove._core import Timeout, with_timeout

__all__ = ["Timeout", "with_timeout"]
