"""A wire between hosts: `wire.py DELAY LOSS SEED HOST=ADDRESS...`

Each HOST is a network namespace, which gets a device with its ADDRESS. A packet that
one of them sends arrives at the host that it is for DELAY seconds later, or, with a
probability of LOSS, never. A line is printed once the devices are there; it ends with
its standard input. (The kernel has that as netem, where it was built with it.)
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
DEVICE = "wire0"
PACKET = 65536


def enter(host: str) -> None:
    """Be in a host's namespace from now on. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{host}") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), f"setns {host}")


def device(host: str, address: str) -> int:
    """A device in the host, whose packets are read and written here."""
    enter(host)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(fd, TUNSETIFF, request)
    for words in (
        ["address", "add", f"{address}/24", "dev", DEVICE],
        ["link", "set", DEVICE, "up"],
        ["link", "set", "lo", "up"],
    ):
        subprocess.run(["ip", *words], check=True)
    return fd


class Wire:
    """Packets on their way."""

    def __init__(self, delay: float, loss: float, seed: int) -> None:
        self._delay, self._loss = delay, loss
        self._random = random.Random(seed)
        self._devices: dict[bytes, int] = {}  # by address
        self._flying: list[tuple[float, int, int, bytes]] = []
        self._sent = 0

    def connect(self, address: str, fd: int) -> None:
        self._devices[socket.inet_aton(address)] = fd

    def _take(self, fd: int) -> None:
        packet = os.read(fd, PACKET)
        to = self._devices.get(packet[16:20])  # of IPv4; others are nobody's
        if to is None or packet[0] >> 4 != 4 or self._random.random() < self._loss:
            return
        self._sent += 1
        arrives = time.monotonic() + self._delay
        heapq.heappush(self._flying, (arrives, self._sent, to, packet))

    def _deliver(self) -> float | None:
        """Hand over what has arrived. Milliseconds until the next does."""
        while self._flying:
            left = self._flying[0][0] - time.monotonic()
            if left > 0:
                return left * 1e3
            _, _, to, packet = heapq.heappop(self._flying)
            try:
                os.write(to, packet)
            except BlockingIOError:
                pass  # full: one more that is lost
        return None

    def run(self) -> None:
        """Until standard input ends."""
        poll = select.poll()
        for fd in [0, *self._devices.values()]:
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll(self._deliver()):
                if fd == 0:
                    return
                self._take(fd)


def main() -> None:
    delay, loss, seed, *hosts = sys.argv[1:]
    wire = Wire(float(delay), float(loss), int(seed))
    for host, _, address in (text.partition("=") for text in hosts):
        wire.connect(address, device(host, address))
    print("ready", flush=True)
    wire.run()


if __name__ == "__main__":
    main()
