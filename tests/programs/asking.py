"""What tests ask web servers, in threads of their own."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from runtimes import HANG


def ask(
    port: int, path: str, body: bytes = b"", context: ssl.SSLContext | None = None
) -> str:
    """A page, posted to if there is a body. Its status must be 200."""
    if context is not None:
        connection = http.client.HTTPSConnection(
            "localhost", port, timeout=HANG, context=context
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    with contextlib.closing(connection):
        connection.request("POST" if body else "GET", path, body or None)
        answer = connection.getresponse()
        text = answer.read().decode()
    assert answer.status == 200, f"{path}: {answer.status} {text}"
    return text


class Crowd:
    """Clients that ask at once, a thread each."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._port, self._context = port, context
        self._threads = ThreadPoolExecutor(64)

    def ask(self, path: str) -> Future:
        """The answer that is to come."""
        return self._threads.submit(ask, self._port, path, b"", self._context)

    def ask_all(self, paths: list[str]) -> list[str]:
        """The answers to all of them."""
        return [asked.result(HANG) for asked in [self.ask(path) for path in paths]]

    def close(self) -> None:
        self._threads.shutdown()


@contextlib.contextmanager
def crowd(port: int, context: ssl.SSLContext | None = None) -> Iterator[Crowd]:
    """While clients ask a server."""
    made = Crowd(port, context)
    try:
        yield made
    finally:
        made.close()


def until(happened: Callable[[], object]) -> None:
    """Return once happened() is true; it must become so."""
    end = time.monotonic() + HANG
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.01)
