"""Processor time of 500 requests by `requests`, each in a greenlet and over a
connection of its own, in a patched program: the client's process, with all of its
threads. The server, another process, says the same few bytes to everybody.

Twice a request all of the environment is searched for proxies; so that it does
not matter what happens to be there, there is nothing.
"""

import os
import socket
import subprocess
import sys
import time

import peers

COUNT = 500
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


def serve() -> None:
    """Tells its port, and serves one connection after the other until it is ended."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2 * COUNT)
    os.write(1, b"%d\n" % listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        while b"\r\n\r\n" not in connection.recv(65536):
            pass
        connection.sendall(ANSWER)
        connection.close()


def measure() -> float:
    server = subprocess.Popen(
        [sys.executable, sys.argv[0], "--serve"], stdout=subprocess.PIPE
    )
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
    from gevent import monkey

    monkey.patch_all()
    import gevent
    import requests

    def get() -> None:
        assert requests.get(url).content == b"hello"

    os.environ.clear()
    get()  # what is made once
    before = time.process_time_ns()
    gevent.joinall([gevent.spawn(get) for _ in range(COUNT)], raise_error=True)
    took = time.process_time_ns() - before
    server.kill()
    return took / 1e3 / COUNT


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        peers.compare(
            "py_requests",
            measure,
            "gevent",
            rounds=7,
            unit="us-cpu",
            less_is_speed=False,
        )
