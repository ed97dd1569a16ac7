"""Processor time of an echo server that a program for gevent is: patched, a
greenlet a connection, which receives, prints what it got to /dev/null and sends it
back in capitals. The whole process's, a request, as the scheduler counts it.

py_echo.py CONNECTIONS

Both servers live throughout, on the first processor, and the clients (load.c),
with one request of 64 bytes under way on each connection, turn from one to the
other on the second. The value is the median of all turns.
"""

import os
import subprocess
import sys
from statistics import median

import peers

ROUNDS = 21
SIZE = 64


def serve() -> None:
    """Tells its port, and serves until it is ended."""
    from gevent import monkey

    monkey.patch_all()
    import gevent
    from socket import AF_INET, SOCK_STREAM, socket

    def talk(conn: socket, addr: tuple[str, int]) -> None:
        try:
            while received := conn.recv(1024):
                print(f"client {addr[0]}:{addr[1]} msg: {received}")
                conn.send(received.upper())
        finally:
            conn.close()

    listener = socket(AF_INET, SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    os.write(1, b"%d\n" % listener.getsockname()[1])
    sys.stdout = open(os.devnull, "w")
    while True:
        conn, addr = listener.accept()
        gevent.spawn(talk, conn, addr)


class Served:
    """A server's process, and its clients'."""

    def __init__(self, ours: bool, connections: int) -> None:
        self.server = subprocess.Popen(
            [sys.executable, sys.argv[0], "--serve"],
            env=peers.environment(ours),
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(
                0, {min(os.sched_getaffinity(0))}
            ),
        )
        port = int(self.server.stdout.readline())
        count = max(2000, 2 * connections)
        numbers = port, self.server.pid, connections, count, SIZE
        self.clients = subprocess.Popen(
            [peers.BUILD / "bench" / "load", *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def turn(self) -> float:
        """Microseconds a request."""
        self.clients.stdin.write("\n")
        self.clients.stdin.flush()
        return float(self.clients.stdout.readline()) / 1000

    def end(self) -> None:
        self.clients.communicate()
        self.server.kill()
        self.server.communicate()


def main(connections: int) -> None:
    ours = Served(True, connections)
    times, ratios = [], []
    peer = peers.peer_version("gevent")
    theirs = Served(False, connections) if peer else None
    for _ in range(ROUNDS):
        times.append(ours.turn())
        if theirs:
            ratios.append(times[-1] / theirs.turn())
    peers.report(
        f"py_echo_{connections}",
        median(times),
        "us-cpu",
        median(ratios) if ratios else None,
        f"gevent {peer}",
    )
    ours.end()
    if theirs:
        theirs.end()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve()
    else:
        main(int(sys.argv[1]))
