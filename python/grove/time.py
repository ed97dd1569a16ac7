"""The module time, with a sleep that lets other greenlets run."""

import time as _time
from typing import TYPE_CHECKING

from grove._core import sleep
from grove.stdlib.mirror import mirror

__implements__ = ["sleep"]
__extensions__: list[str] = []
__imports__ = mirror(_time, globals(), __implements__)
__all__ = __implements__ + __imports__

if TYPE_CHECKING:  # what is mirrored; the names above stay ours, as it remarks
    from time import *  # type: ignore
