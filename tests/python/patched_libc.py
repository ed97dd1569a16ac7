"""Fixtures of tests in which libc is patched: importing `patched` has it patched
around each test of a module."""

import ctypes
from collections.abc import Iterator

import pytest

import grove
from grove import monkey

#: What calls the C library: one lets go of the GIL for the time of the call, one
#: does not.
KINDS = {"without the GIL": ctypes.CDLL, "with it": ctypes.PyDLL}


@pytest.fixture(autouse=True)
def patched() -> Iterator[None]:
    grove.get_hub()
    monkey.patch_libc()
    yield
    monkey.unpatch_libc()


@pytest.fixture(params=list(KINDS))
def libc(request: pytest.FixtureRequest) -> ctypes.CDLL:
    """The C library, looked up anew: dlsym tells of a patched call's address only
    while it is patched."""
    return KINDS[request.param](None, use_errno=True)
