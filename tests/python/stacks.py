"""What stacks greenlets can have."""

import sys

#: Bytes. CPython's debug builds want more of a stack from 3.14 on.
SMALLEST = 1 << 16
if sys.version_info >= (3, 14) and hasattr(sys, "gettotalrefcount"):
    SMALLEST = 1 << 17
