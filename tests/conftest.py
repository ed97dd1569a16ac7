"""Lets every test file import build_tree; looks at what all tests need."""

import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop with one clear sentence where hundreds of tests would fail."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), 20).close()
    except OSError as error:
        pytest.exit(
            f"127.0.0.1 cannot be connected to ({error}), which the tests need: "
            "bring the loopback interface up with `ip link set lo up`",
            returncode=1,
        )
