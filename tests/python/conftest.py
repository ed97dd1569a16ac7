"""Fixtures of several files."""

import shutil
from collections.abc import Iterator
from typing import Any

import certificates
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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The files of a certificate for localhost and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate: apt-get install openssl")
    return certificates.make(tmp_path_factory.mktemp("tls"))
