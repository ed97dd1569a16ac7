"""An echo server in blocking style, a greenlet a connection.

    python3 echo_server.py [PORT]

Prints the port it listens on.
"""

import argparse

from grove.server import StreamServer


def echo(connection, address) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("port", metavar="PORT", type=int, nargs="?", default=0)
    server = StreamServer(("127.0.0.1", parser.parse_args().port), echo)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()
