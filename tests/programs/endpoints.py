"""The HTTP servers that programs ask: pages of the test's own, in its threads."""

import contextlib
import http.server
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

HANG = 60.0  # seconds that a page waits for the others


class Site(http.server.ThreadingHTTPServer):
    """Pages that show whether they were asked for at once; see Page."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.changed = threading.Condition()
        self.together: dict[str, int] = {}  # how many wait for a page, by path
        self.objects: dict[str, bytes] = {}
        self.ended = threading.Event()
        if context is not None:
            # Shaken hands by the thread of the connection, not by the listener.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: object, address: object) -> None:
        """A client that goes away is none of the test's business."""


class Page(http.server.BaseHTTPRequestHandler):
    """/together/N once N ask for it; /echo what is posted; /chunks in chunks;
    /moved goes to /echo; /never is never answered."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self) -> None:
        self.answer(self.body())

    def do_GET(self) -> None:
        if self.path.startswith("/together/"):
            self._together(int(self.path.rpartition("/")[2]))
        elif self.path == "/never":
            self.server.ended.wait(HANG)
        elif self.path == "/chunks":
            self._chunks()
        elif self.path == "/moved":
            self.answer(b"", 302, Location="/echo")
        else:
            self.answer(self.path.encode())

    def _together(self, crowd: int) -> None:
        with self.server.changed:
            waiting = self.server.together
            waiting[self.path] = waiting.get(self.path, 0) + 1
            self.server.changed.notify_all()
            all_here = self.server.changed.wait_for(
                lambda: waiting[self.path] % crowd == 0, HANG
            )
        self.answer(b"x" * 100, 200 if all_here else 503)

    def _chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for size in (1, 10, 100, 1000, 10_000, 0):
            self.wfile.write(b"%x\r\n%s\r\n" % (size, b"x" * size))


class Slow(Page):
    """/SECONDS is 7, after so many."""

    def do_GET(self) -> None:
        self.server.ended.wait(float(self.path[1:]))
        self.answer(b"7")


class Shelf(Page):
    """As much of S3 as putting and getting objects takes, whole and in parts."""

    def handle_expect_100(self) -> bool:
        self.send_response_only(100)
        self.end_headers()
        return True

    def do_PUT(self) -> None:
        self.server.objects[self.path] = self._decoded(self.body())
        self.answer(b"", ETag='"x"')

    def _decoded(self, body: bytes) -> bytes:
        """The body without the framing of signed chunks, if it has one."""
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        got, rest = b"", body
        while True:
            line, _, rest = rest.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if size == 0:
                return got
            got, rest = got + rest[:size], rest[size + 2 :]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        whole = self.server.objects.get(self.path)
        if whole is None:
            self.answer(b"<Error><Code>NoSuchKey</Code></Error>", 404)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self.answer(whole, ETag='"x"')
            return
        first, last = int(wanted[1]), int(wanted[2] or len(whole) - 1)
        part = whole[first : last + 1]
        told = {"Content-Range": f"bytes {first}-{last}/{len(whole)}", "ETag": '"x"'}
        self.answer(part, 206, **told)

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        self.body()
        if query.startswith("uploads"):
            told = "<UploadId>1</UploadId>"
        else:
            parts = [p for p in self.server.objects if p.startswith(path + "?")]
            parts.sort(key=lambda p: int(re.search(r"partNumber=(\d+)", p)[1]))
            whole = b"".join(self.server.objects.pop(part) for part in parts)
            self.server.objects[path] = whole
            told = '<ETag>"x"</ETag>'
        self.answer(f"<Result>{told}</Result>".encode())


@contextlib.contextmanager
def serving(site: Site) -> Iterator[int]:
    """While a thread serves the site; yields its port."""
    thread = threading.Thread(target=site.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site.server_port
    finally:
        site.ended.set()
        site.shutdown()
        thread.join()
        site.server_close()


def make_certificate(folder: Path) -> Path:
    """A file with a key and a certificate for localhost, signed by itself."""
    path = folder / "localhost.pem"
    subprocess.check_call(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        + ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj"]
        + ["/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-keyout", str(folder / "key.pem"), "-out", str(path)],
        stderr=subprocess.DEVNULL,
    )
    with path.open("a") as file:
        file.write((folder / "key.pem").read_text())
    return path
