"""Machines of a test's own: network namespaces on a wire that loses packets and takes
its time. What runs in one reaches the others by their addresses, and nothing else."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import Place

WIRE = Path(__file__).resolve().parent / "wire.py"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], sys.argv[2]), 9)"


@dataclass
class Host(Place):
    """A machine: its name for `ip netns`, and its address."""

    name: str
    address: str

    def command(self, command: list) -> list:
        """The command line of a command that is run there."""
        return ["ip", "netns", "exec", self.name, *command]

    def listens(self, port: int) -> bool:
        """Whether somebody there accepts connections on port, of its address or of
        its loopback."""
        return self.reaches(self, port) or self.reaches(LOOPBACK, port)

    def reaches(self, other: Place, port: int) -> bool:
        """Whether it can connect to another."""
        words = [sys.executable, "-c", CONNECT, other.address, str(port)]
        done = subprocess.run(self.command(words), capture_output=True)
        return done.returncode == 0


LOOPBACK = Place()


def _why_not() -> str:
    """Why there can be no hosts, or ""."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None:
        return "no ip: tools/setup programs installs iproute2"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun on this machine"
    return ""


@contextlib.contextmanager
def _namespace(name: str) -> Iterator[None]:
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@contextlib.contextmanager
def network(
    count: int, delay: float, loss: float, seed: int = 1
) -> Iterator[list[Host]]:
    """So many hosts, while there is a wire between them.

    delay: seconds that a packet takes; loss: the part of them that is lost.
    """
    if why := _why_not():
        pytest.skip(why)
    made = [Host(f"grove-{os.getpid()}-{n}", f"10.77.0.{n}") for n in range(1, count + 1)]
    with contextlib.ExitStack() as stack:
        for host in made:
            stack.enter_context(_namespace(host.name))
        ends = [f"{host.name}={host.address}" for host in made]
        wire = stack.enter_context(
            subprocess.Popen(
                [sys.executable, WIRE, str(delay), str(loss), str(seed), *ends],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert wire.stdin and wire.stdout
        assert wire.stdout.readline() == b"ready\n"
        yield made
        assert wire.poll() is None
        wire.stdin.close()
        assert wire.wait(60) == 0
