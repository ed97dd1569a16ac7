"""Fixtures of several files."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def errors() -> Iterator[list[tuple[Any, ...]]]:
    """What the hub is told of, instead of printing it."""
    import grove

    hub = grove.get_hub()
    seen: list[tuple[Any, ...]] = []
    hub.handle_error = lambda *args: seen.append(args)
    yield seen
    del hub.handle_error


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    """Two sockets of ours, connected."""
    from grove import socket

    a, b = socket.socketpair()
    yield a, b
    a.close()
    b.close()
