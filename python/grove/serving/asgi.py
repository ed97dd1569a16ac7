"""Requests answered by an ASGI application, which runs in the loop's greenlet.

A connection's greenlet reads the request and the pieces of its body, and sends the
response: it does what the application asks for by send() and receive(), one thing
after the other. A piece is sent before the application's send() of it returns, unless
it is the last one.

An application that waits in receive() behind the body is told when the client has
closed its side: so long another greenlet watches the connection. What the client does
not want to send any more it may still want to read, so that send() goes on.
"""

import select
from http.client import responses
from typing import Any

from grove._core import Greenlet, sleep, wait_read
from grove.queue import SimpleQueue
from grove.serving.asgi_loop import ASGI, Loop
from grove.serving.handler import Handler

__all__ = ["AsgiHandler"]

#: Bytes of a piece of a request's body.
_PIECE = 65536

#: Seconds between two looks whether a client that has sent more, maybe only a
#: good-bye of TLS, has closed its side behind that.
_LOOK = 1.0

_DISCONNECT = {"type": "http.disconnect"}


class AsgiHandler(Handler):
    """Serves one connection; its server has the loop as asgi_loop."""

    def run_application(self) -> None:
        """Have the application answer, and send what it says."""
        _Exchange(self, self.server.asgi_loop).serve()


def _scope(handler: Handler, loop: Loop) -> dict[str, Any]:
    environ = handler.environ
    target, _, query = handler.path.partition("?")
    client = handler.client_address
    return {
        "type": "http",
        "asgi": ASGI,
        "http_version": handler.request_version[5:],
        "method": handler.command,
        "scheme": environ["wsgi.url_scheme"],
        "path": environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
        "raw_path": target.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in handler.headers.items()
        ],
        "client": list(client[:2]) if isinstance(client, tuple) else None,
        "server": _server_of(environ),
        "state": loop.state.copy(),
    }


def _server_of(environ: dict[str, Any]) -> list[Any]:
    port = environ["SERVER_PORT"]
    return [environ["SERVER_NAME"], int(port) if port else None]


class _Exchange:
    """A request and its response."""

    def __init__(self, handler: Handler, loop: Loop) -> None:
        self._handler = handler
        self._loop = loop
        #: What the application asks for: functions for the connection's greenlet.
        self._asked: SimpleQueue = SimpleQueue()
        #: Nothing more is sent, or can be.
        self._over = False
        #: The application has sent all of the response.
        self._done = False
        #: The client has closed its side.
        self._gone = False
        self._watcher: Greenlet | None = None
        #: It has received all of the body.
        self._body_given = False
        #: What it waits for.
        self._waiting: set[Any] = set()

    # ---- in the connection's greenlet ----------------------------------------------

    def serve(self) -> None:
        """Until the response is sent; raises what the application raises before."""
        self._loop.run(self._run(_scope(self._handler, self._loop)))
        try:
            while not self._over:
                self._asked.get()()
        finally:
            self._over = True
            if self._watcher is not None:
                self._watcher.kill(block=False)
            self._loop.call(self._disconnect)

    def _watch(self) -> None:
        if self._watcher is None:
            self._watcher = Greenlet.spawn(self._wait_for_end)

    def _wait_for_end(self) -> None:
        fd = self._handler.socket.fileno()
        wait_read(fd)
        while not _has_ended(fd):
            sleep(_LOOK)
        self._gone = True
        self._loop.call(self._disconnect)

    def _give_body(self, future: Any) -> None:
        body = self._handler.wsgi_input
        data = body.read1(_PIECE)
        message = {"type": "http.request", "body": data, "more_body": not body._ended}
        self._loop.call(_answer, future, message)

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        reason = responses.get(status, "")
        self._handler.start_response(
            f"{status} {reason}",
            [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers],
        )

    def _send(self, data: bytes, more: bool, future: Any) -> None:
        handler = self._handler
        if not more and not handler.headers_sent:
            handler.result = [data]
            handler.process_result()
        elif not more:
            handler._write_each([data])
        elif data:
            handler.write(data)
        self._over = not more
        if future is not None:
            self._loop.call(_answer, future, None)

    def _fail(self, error: BaseException | None) -> None:
        self._over = True
        if error is not None:
            raise error
        if not self._gone:
            raise RuntimeError("the application ended without a whole response")
        self._handler.close_connection = True

    # ---- in the loop's greenlet ------------------------------------------------------

    async def _run(self, scope: dict[str, Any]) -> None:
        error = None
        try:
            await self._loop.application(scope, self._receive, self._take)
        except BaseException as raised:
            error = raised
        # What ends a task, or the loop, is nothing to raise where requests are read.
        failure = error if isinstance(error, Exception) else None
        if not self._done:
            self._asked.put(lambda: self._fail(failure))
        if error is not None and (self._done or failure is None):
            raise error  # the loop's handler of exceptions tells of it

    async def _receive(self) -> dict[str, Any]:
        if self._over or self._gone:
            return _DISCONNECT
        if not self._body_given and self._handler.wsgi_input._ended:
            self._body_given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        future = self._loop.future()
        if not self._body_given:
            self._asked.put(lambda: self._give_body(future))
        else:
            self._asked.put(self._watch)
        message = await self._wait(future)
        self._body_given = not message.get("more_body", False)
        return message

    async def _wait(self, future: Any) -> Any:
        """Until it is answered, or the exchange is over."""
        self._waiting.add(future)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if self._over:
            return  # nobody is there to read it
        if kind == "http.response.start":
            status, headers = message["status"], message.get("headers", ())
            self._asked.put(lambda: self._start(status, list(headers)))
        elif kind == "http.response.body":
            await self._take_body(
                message.get("body", b""), message.get("more_body", False)
            )
        else:
            raise ValueError(f"a message that is not known: {kind!r}")

    async def _take_body(self, data: bytes, more: bool) -> None:
        future = self._loop.future() if more else None
        self._done = not more
        self._asked.put(lambda: self._send(data, more, future))
        if future is not None:
            await self._wait(future)

    def _disconnect(self) -> None:
        """The exchange is over: whoever waits for more is told so."""
        for future in list(self._waiting):
            _answer(future, _DISCONNECT)


def _has_ended(fd: int) -> bool:
    """Whether the peer sends nothing more, whatever is unread."""
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)
    return bool(poll.poll(0))


def _answer(future: Any, result: Any) -> None:
    if not future.done():
        future.set_result(result)
