"""The numbers of the process as a WSGI application: what --metrics of grove.serve
answers.

They are those of the process that serves the request: where there are several, each
has its own, and says which it is by its number.
"""

import os
from collections.abc import Callable, Iterable

from grove._core import metrics

__all__ = ["Metrics"]

_PROCESS = """\
# HELP grove_process The number of the process that these are of.
# TYPE grove_process gauge
grove_process {}
"""


class Metrics:
    """Answers requests of one path by numbers, and others by an application."""

    def __init__(self, path: str, application: Callable) -> None:
        """
        Args:
            path: the path, as "/metrics".
            application: whom the other requests go to.
        """
        self._path = path
        self._application = application

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self._path:
            return self._application(environ, start_response)
        body, status = b"", "200 OK"
        headers = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")]
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            body = (metrics() + _PROCESS.format(os.getpid())).encode()
        else:
            status = "405 Method Not Allowed"
            headers.append(("Allow", "GET, HEAD"))
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]
