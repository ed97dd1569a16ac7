"""A WSGI application whose answers wait until a file is there."""

import os
from collections.abc import Callable, Iterable

import gevent


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    """/pid says which process it is; /wait/FILE says it once /FILE is there;
    /echo what was posted."""
    path = environ["PATH_INFO"]
    if path.startswith("/wait/"):
        while not os.path.exists(path.removeprefix("/wait")):
            gevent.sleep(0.005)
    body = str(os.getpid()).encode()
    if path == "/echo":
        body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
