"""Reading a request: its line, its headers, and how its body ends.

Messages that are ambiguous (both Content-Length and Transfer-Encoding, folded
headers, blanks before a colon) are refused, as a proxy in front might read them
differently.
"""

import re
from http.client import HTTPMessage
from typing import Any
from urllib.parse import unquote_to_bytes

from grove.serving.input import MAX_REQUEST_LINE, Input

__all__ = ["MAX_HEADERS", "BadRequest", "RequestReader"]

MAX_HEADERS = 128

_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\Z", re.S)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


class BadRequest(Exception):
    """A request that is answered by an error, and is the connection's last."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class RequestReader:
    """The part of a handler that reads requests."""

    # What it wants of the handler that it is a part of.
    socket: Any
    rfile: Any
    server: Any
    client_address: Any

    #: Bytes of the longest request line and of the longest header.
    max_request_line: int = MAX_REQUEST_LINE
    #: What holds the headers.
    MessageClass = HTTPMessage

    content_length: int | None = None
    close_connection = False
    requestline: str | None = None
    command: str | None = None
    path: str = ""
    request_version: str | None = None

    def read_requestline(self) -> bytes:
        """The request's first line; b"" when there is none."""
        line = self.rfile.readline(self.max_request_line + 1)
        if line == b"\r\n":  # left behind by some clients after a body
            line = self.rfile.readline(self.max_request_line + 1)
        return line

    def read_request(self, raw_requestline: str) -> bool | None:
        """Take the request line apart and read the headers.

        Returns True; raises BadRequest.
        """
        self.requestline = raw_requestline.rstrip("\r\n")
        words = self.requestline.split(" ")
        if len(words) == 3 and all(words):
            self.command, self.path, self.request_version = words
        else:
            raise BadRequest(400, f"not a request line: {self.requestline!r}")
        if not _TOKEN.match(self.command):
            raise BadRequest(400, f"not a method: {self.command!r}")
        if self.request_version not in ("HTTP/1.0", "HTTP/1.1"):
            wrong = re.match(r"HTTP/\d\.\d\Z", self.request_version)
            raise BadRequest(505 if wrong else 400, "not a version that is spoken")
        self.headers = self._read_headers()
        self._frame_body()
        self.close_connection = self._client_closes()
        return True

    def _read_headers(self) -> HTTPMessage:
        headers = self.MessageClass()
        longest = self.max_request_line
        for _ in range(MAX_HEADERS + 1):
            line = self.rfile.readline(longest + 1)
            if line in (b"\r\n", b"\n"):
                return headers
            if len(line) > longest:
                raise BadRequest(431, "a header is too long")
            if not line.endswith(b"\n"):
                raise BadRequest(400, "the headers break off")
            match = _HEADER.match(line.rstrip(b"\r\n"))
            if not match or b"\0" in line or b"\r" in match[2]:
                raise BadRequest(400, f"not a header: {line[:64]!r}")
            headers[match[1].decode("latin-1")] = match[2].decode("latin-1")
        raise BadRequest(431, "too many headers")

    def _frame_body(self) -> None:
        """How the body is told from the next request."""
        lengths = {v.strip() for v in self.headers.get_all("Content-Length", [])}
        codings = self.headers.get_all("Transfer-Encoding", [])
        self.content_length = None
        self._chunked_request = bool(codings)
        if codings:
            if lengths:
                raise BadRequest(400, "both Content-Length and Transfer-Encoding")
            if [c.strip().lower() for c in codings] != ["chunked"]:
                raise BadRequest(501, f"a coding that is not known: {codings}")
            if self.request_version == "HTTP/1.0":
                raise BadRequest(400, "chunks in HTTP/1.0")
        elif lengths:
            length = lengths.pop()
            if lengths or not (length.isascii() and length.isdigit()):
                raise BadRequest(400, "not a Content-Length")
            self.content_length = int(length)
        if self.request_version == "HTTP/1.1":
            if len(self.headers.get_all("Host", [])) != 1:
                raise BadRequest(400, "HTTP/1.1 wants one Host")

    def _client_closes(self) -> bool:
        connection = ",".join(self.headers.get_all("Connection", [])).lower()
        options = {option.strip() for option in connection.split(",")}
        if self.request_version == "HTTP/1.0":
            return "keep-alive" not in options
        return "close" in options

    # The environment.

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment of the request."""
        env = self.server.get_environ()
        path, _, query = self.path.partition("?")
        if path.startswith(("http://", "https://")):  # as to a proxy
            path = "/" + path.partition("//")[2].partition("/")[2]
        env.update(
            REQUEST_METHOD=self.command,
            SCRIPT_NAME="",
            PATH_INFO=unquote_to_bytes(path).decode("latin-1"),
            QUERY_STRING=query,
            SERVER_PROTOCOL=self.request_version,
        )
        if isinstance(self.client_address, tuple):
            env["REMOTE_ADDR"] = self.client_address[0]
            env["REMOTE_PORT"] = str(self.client_address[1])
        self._add_headers(env)
        waits = self.headers.get("Expect", "").lower() == "100-continue"
        self.wsgi_input = Input(
            self.rfile,
            self.content_length,
            socket=self.socket
            if waits and self.request_version == "HTTP/1.1"
            else None,
            chunked_input=self._chunked_request,
        )
        env["wsgi.input"] = self.wsgi_input
        if self._chunked_request:
            env["wsgi.input_terminated"] = True
        return env

    def _add_headers(self, env: dict[str, Any]) -> None:
        for name, value in self.headers.items():
            if "_" in name:
                continue  # could stand for the same name with a hyphen
            key = name.upper().replace("-", "_")
            if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                env[key] = value
                continue
            key = "HTTP_" + key
            if key in env:
                value = env[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
            env[key] = value
