"""Tracebacks as values: an exception of a thread raised again in another.

Nothing is copied: a traceback keeps its frames, of whatever thread.
"""

import sys
from types import TracebackType
from typing import Any

__all__ = ["dump_traceback", "load_traceback"]


def dump_traceback(tb: TracebackType | None) -> Any:
    """What load_traceback takes."""
    return tb


def load_traceback(tb: Any) -> TracebackType | None:
    """The traceback that was dumped."""
    return tb


def exc_info() -> tuple:
    """sys.exc_info()"""
    return sys.exc_info()
