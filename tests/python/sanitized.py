"""What a test asks that counts memory: whether it is laid out by a sanitizer."""

import os

import pytest

own_memory = pytest.mark.skipif(
    "libasan" in os.environ.get("LD_PRELOAD", ""),
    reason="AddressSanitizer's memory is counted, too; it runs without",
)
