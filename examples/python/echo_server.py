"""An echo server in blocking style, a greenlet a connection.

    python3 echo_server.py [PORT]

Prints the port it listens on.
"""

import sys

from grove.server import StreamServer


def echo(connection, address) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = StreamServer(("127.0.0.1", port), echo)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()
