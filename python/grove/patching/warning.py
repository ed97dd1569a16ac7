"""Warnings, which show the line of who patches."""

import sys
import warnings

__all__ = ["MonkeyPatchWarning", "warn"]


class MonkeyPatchWarning(RuntimeWarning):
    """Patching may not have the effect that was meant.

    >>> import warnings
    >>> from grove.monkey import MonkeyPatchWarning
    >>> warnings.simplefilter("error", MonkeyPatchWarning)
    """


def warn(message: str) -> None:
    """Warn who called the package: the line that is shown is theirs."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("grove."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, MonkeyPatchWarning, stacklevel=level)
