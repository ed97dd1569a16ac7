"""An echo server in blocking style, a greenlet a connection.

    python3 echo_server.py [PORT]

Prints the port it listens on.
"""

import argparse
import sys

from grove.server import StreamServer


def echo(connection, address) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 to 65535")
    return port


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("port", metavar="PORT", type=port_number, nargs="?", default=0)
    server = StreamServer(("127.0.0.1", parser.parse_args().port), echo)
    try:
        server.start()
    except OSError as error:
        sys.exit(f"echo_server.py: {error}")
    print(server.server_port, flush=True)
    server.serve_forever()
