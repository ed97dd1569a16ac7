"""python -m grove.pywsgi module:application -b address"""

import argparse
import sys
from importlib import import_module

from grove.serving.server import Server


def main(server_class: type[Server], argv: list[str] | None = None) -> None:
    """Serve the application that argv, sys.argv[1:] by default, names."""
    parser = argparse.ArgumentParser(prog="python -m grove.pywsgi")
    parser.add_argument("application", help="module:name of the WSGI application")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", help="the address")
    options = parser.parse_args(argv)
    module, _, name = options.application.partition(":")
    sys.path.insert(0, "")
    application = getattr(import_module(module), name or "application")
    server = server_class(options.bind, application)
    server.start()
    print(f"Listening on {server.address}", flush=True)
    server.serve_forever()
