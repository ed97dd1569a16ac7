"""Events, and results that come later, for greenlets of any thread."""

from grove._core import AsyncResult, Event

__all__ = ["AsyncResult", "Event"]
