"""python3 -m grove.serve module:application

Serves a WSGI application over HTTP: one process that looks after others, each of
which serves by pywsgi. `--help` says what can be asked for, grove-serve(1) the rest.
"""

import sys

from grove.serving.master import Master
from grove.serving.options import parse

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Serve as argv, sys.argv[1:] by default, says, until a signal ends it.

    Returns what the process is to exit with: 0 after SIGTERM, SIGINT or SIGQUIT; 1
    when the application cannot be served.

    >>> from grove.serve import main
    >>> main(["no_such_module:app", "--bind", "127.0.0.1:0"])
    1
    """
    return Master(parse(argv)).run()


if __name__ == "__main__":
    sys.exit(main())
