"""greenlet's class for seeing what programs make of a switch that fails.

A switch of ours does not fail in the ways that it feigns; what it raises is what
greenlet raises there.
"""

import os
import sys
from typing import Any

from grove._core import greenlet

_CORRUPT = (
    "Fatal Python error: greenlet: Failed low-level slp_switch()."
    " The stack is probably corrupt.\n"
)


class UnswitchableGreenlet(greenlet):
    """A greenlet whom nobody can go to while one of its attributes is true.

    `force_switch_error`: switch and throw raise SystemError, and the greenlet
    stays as it is. `force_slp_switch_error`: they end the process by SIGABRT.
    One that is dead is unimpaired.
    """

    force_switch_error = False
    force_slp_switch_error = False

    def switch(self, *args: Any, **kwargs: Any) -> Any:
        """As greenlet's; SystemError, see above."""
        self._check()
        return super().switch(*args, **kwargs)

    def throw(self, *args: Any) -> Any:
        """As greenlet's; SystemError, see above."""
        self._check()
        return super().throw(*args)

    def _check(self) -> None:
        if self.dead:
            return
        if self.force_switch_error and self:
            raise SystemError("Failed to switch stacks into a running greenlet.")
        if self.force_switch_error:
            raise SystemError(
                "Failed to switch stacks into a greenlet for the first time."
            )
        if self.force_slp_switch_error:
            sys.stderr.write(_CORRUPT)
            sys.stderr.flush()
            os.abort()
