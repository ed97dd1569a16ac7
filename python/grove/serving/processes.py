"""What the processes of one server have in common: how they tell of themselves."""

import os
import sys

__all__ = ["BOOT_FAILED", "say"]

#: What a process exits with that cannot serve the application.
BOOT_FAILED = 3


def say(text: str) -> None:
    """Tell people what happens, on standard error."""
    # By one write, so that lines of several processes do not mix.
    sys.stderr.write(f"grove.serve [{os.getpid()}] {text}\n")
    sys.stderr.flush()
