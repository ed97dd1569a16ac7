"""What python3 -m grove.serve can be asked for."""

import argparse
import math
import os
from typing import Any

__all__ = ["parse"]

_EPILOG = """\
SIGHUP starts new processes, which import the application anew, and ends the old ones
when they have answered; SIGTERM and SIGINT end all of them so, SIGQUIT at once;
SIGUSR1 opens the access log anew.
"""


def _mapping(text: str) -> tuple[str, str]:
    prefix, equals, folder = text.partition("=")
    if not equals or not prefix.startswith("/") or not os.path.isdir(folder):
        raise argparse.ArgumentTypeError(f"not /PREFIX=FOLDER of a folder: {text!r}")
    return "/" + prefix.strip("/"), os.path.realpath(folder)


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"not a whole number from 1 on: {text!r}")
    return number


def _seconds(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"not a number of seconds: {text!r}")
    return number or None


def _application(text: str) -> str:
    module, colon, name = text.partition(":")
    if not module or (colon and not name):
        raise argparse.ArgumentTypeError(f"not MODULE:NAME: {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m grove.serve",
        description="Serve a WSGI or ASGI application over HTTP.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add(
        "application",
        type=_application,
        help="MODULE:NAME of it; NAME is application by default, and may end in () "
        "for a function that returns it",
    )
    add(
        "-b",
        "--bind",
        action="append",
        metavar="ADDRESS",
        help="HOST:PORT, or unix:PATH, to listen on; 127.0.0.1:8000 by default. May "
        "be given several times",
    )
    add("-w", "--workers", type=_count, default=1, metavar="N", help="processes; 1")
    add("--chdir", metavar="FOLDER", help="where to run, and to import from")
    add("--pid", metavar="FILE", help="write the process's number there")
    add(
        "--asgi",
        action="store_true",
        help="it is an ASGI application: its coroutines run in an asyncio loop beside "
        "the greenlets of connections",
    )
    add(
        "--no-patch",
        dest="patch",
        action="store_false",
        help="leave the standard library as it is, which then holds up all requests "
        "where it waits",
    )
    _add_tls(parser.add_argument_group("TLS"))
    _add_logs(parser.add_argument_group("logs"))
    _add_files(parser.add_argument_group("files"))
    _add_metrics(parser.add_argument_group("numbers"))
    _add_limits(parser.add_argument_group("limits; 0 seconds are no limit"))
    return parser


def _add_tls(group: Any) -> None:
    group.add_argument("--certfile", metavar="FILE", help="certificates, as PEM")
    group.add_argument("--keyfile", metavar="FILE", help="their key; in --certfile")


def _add_logs(group: Any) -> None:
    group.add_argument(
        "--access-log",
        metavar="FILE",
        help="a line for each request, in the common format; - is standard output",
    )


def _add_files(group: Any) -> None:
    group.add_argument(
        "--static",
        action="append",
        type=_mapping,
        default=[],
        metavar="/PREFIX=FOLDER",
        help="answer requests below /PREFIX by the files in FOLDER",
    )


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"not a path that begins with /: {text!r}")
    return text


def _add_metrics(group: Any) -> None:
    group.add_argument(
        "--metrics",
        type=_path,
        metavar="/PATH",
        help="answer requests of /PATH by the numbers of the process that serves "
        "them, for Prometheus",
    )


def _add_limits(group: Any) -> None:
    def seconds(name: str, default: float, text: str) -> None:
        group.add_argument(
            name,
            type=_seconds,
            default=default,
            metavar="SECONDS",
            help=f"{text}; {default:g}",
        )

    group.add_argument(
        "--connections",
        type=_count,
        default=10000,
        metavar="N",
        help="of each process; others wait; 10000",
    )
    group.add_argument(
        "--line",
        type=_count,
        default=8192,
        metavar="BYTES",
        help="of the request line and of each header; 8192",
    )
    seconds("--idle-timeout", 75, "until a connection without a request is closed")
    seconds("--head-timeout", 60, "for a request's head")
    seconds("--body-timeout", 60, "that a read of a body may wait")
    seconds("--write-timeout", 60, "that a client may take nothing of an answer")
    seconds("--graceful-timeout", 30, "for requests under way when a process ends")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The options in argv, sys.argv[1:] by default; SystemExit 2 with a message
    when they make no sense."""
    parser = _parser()
    options = parser.parse_args(argv)
    options.bind = options.bind or ["127.0.0.1:8000"]
    if options.keyfile and not options.certfile:
        parser.error("--keyfile wants a --certfile")
    for name in ("static", "metrics"):
        if options.asgi and getattr(options, name):
            parser.error(f"--{name} is for WSGI applications")
    return options
