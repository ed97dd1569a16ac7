"""A WSGI server: HTTP/1.0 and 1.1 on StreamServer.

A connection is read by one greenlet, request after request. The parts are in the
folder serving, and what every request goes through is compiled.
"""

from grove.names.publish import publish
from grove.serving.environ import Environ, SecureEnviron, WSGISecureEnviron
from grove.serving.handler import Handler
from grove.serving.input import MAX_REQUEST_LINE, Input
from grove.serving.input import InvalidClientInput as _InvalidClientInput
from grove.serving.log import LoggingLogAdapter
from grove.serving.log import NoopLog as _NoopLog
from grove.serving.responses import format_date_time
from grove.serving.server import Server

__all__ = [
    "Environ",
    "LoggingLogAdapter",
    "SecureEnviron",
    "WSGIHandler",
    "WSGISecureEnviron",
    "WSGIServer",
]


class WSGIHandler(Handler):
    """Serves one connection. Every method may be overridden; the examples of the
    methods go on from this one.

    >>> import sys
    >>> from grove import socket
    >>> from grove.pywsgi import WSGIHandler, WSGIServer
    >>> def hello(environ, start_response):
    ...     start_response("200 OK", [("Content-Type", "text/plain")])
    ...     return [b"hello"]
    >>> def ask(handler_class, application=hello, log=None):
    ...     "What such a handler answers, in lines."
    ...     server = WSGIServer(
    ...         ("127.0.0.1", 0), application, log=log, error_log=log,
    ...         handler_class=handler_class)
    ...     server.start()
    ...     with socket.create_connection(server.address) as client:
    ...         client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    ...         answer = client.makefile().read().splitlines()
    ...     server.stop()
    ...     return answer
    >>> ask(WSGIHandler)[-1]
    'hello'
    """

    @property
    def max_request_line(self) -> int:  # type: ignore[override]
        """MAX_REQUEST_LINE of this module, which programs set."""
        return MAX_REQUEST_LINE


class WSGIServer(Server):
    """Serves a WSGI application over HTTP.

    >>> from grove import socket
    >>> from grove.pywsgi import WSGIServer
    >>> def hello(environ, start_response):
    ...     start_response("200 OK", [("Content-Type", "text/plain")])
    ...     return [b"hello"]
    >>> server = WSGIServer(("127.0.0.1", 0), hello, log=None)
    >>> server.start()
    >>> client = socket.create_connection(server.address)
    >>> client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    >>> client.makefile("rb").read().rpartition(b"\\r\\n")[2]
    b'hello'
    >>> server.stop()
    """

    handler_class = WSGIHandler


publish(globals(), [*__all__, "Input", "format_date_time"])


if __name__ == "__main__":
    from grove.serving.command import main

    main(WSGIServer)
