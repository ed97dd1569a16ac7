"""The examples that resolve names and connect by them: proxy and crawler."""

import http.server
import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import BUILD
from dns_server import DnsServer

C_EXAMPLES = BUILD / "examples"

# Pages of site.test, by host and path: what they link to.
PAGES = {
    ("site.test", "/"): ["/a", "/b#part", "{www}/c", "http://elsewhere.test/x"],
    ("site.test", "/a"): ["/", "/b", "/lost"],
    ("site.test", "/b"): [],
    ("www.site.test", "/c"): ["{deep}/d"],
    ("deep.www.site.test", "/d"): ["{bare}/"],
}


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        host, _, port = self.headers["Host"].partition(":")
        links = PAGES.get((host, self.path))
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        names = {"www": "www.site.test", "deep": "deep.www.site.test", "bare": "site.test"}
        bases = {k: f"{scheme}://{v}:{port}" for k, v in names.items()}
        text = "".join(f'<a href="{x.format(**bases)}">' for x in links or [])
        self.send_response(200 if links is not None else 404)
        self.end_headers()
        self.wfile.write(text.encode())

    def finish(self) -> None:
        super().finish()
        if isinstance(self.connection, ssl.SSLSocket):
            try:  # say that this is the end; the client only closes
                self.connection.unwrap()
            except OSError:
                pass

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def names() -> Iterator[DnsServer]:
    server = DnsServer("site.test")
    yield server
    server.close()


def serve_pages(context: ssl.SSLContext | None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def pages() -> Iterator[int]:
    """The port of the site over http."""
    yield from serve_pages(None)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the site, and its key, in one file."""
    path = tmp_path / "site.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        + ["ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=site.test"]
        + ["-addext", "subjectAltName=DNS:site.test,DNS:*.site.test,DNS:*.www.site.test"]
        + ["-keyout", path, "-out", tmp_path / "cert.pem"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    path.write_text(path.read_text() + (tmp_path / "cert.pem").read_text())
    return path


@pytest.fixture
def secure_pages(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield from serve_pages(context)


def crawl(names: DnsServer, *arguments: object) -> tuple[int, set[str], str]:
    """The exit status, the pages' lines, and the last line."""
    if not (C_EXAMPLES / "crawler").exists():
        pytest.skip("crawler speaks TLS; a build with -Dtls=true has it")
    done = subprocess.run(
        [C_EXAMPLES / "crawler", *map(str, arguments)],
        env={**os.environ, "GROVE_DNS_SERVERS": names.address},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    *lines, last = done.stdout.splitlines()
    return done.returncode, set(lines), last


def expected_lines(base: str) -> set[str]:
    scheme, port = re.fullmatch(r"(\w+)://site.test:(\d+)", base).groups()
    return {
        f"200  3 new links  {base}/",
        f"200  1 new links  {base}/a",
        f"200  0 new links  {base}/b",
        f"404  0 new links  {base}/lost",
        f"200  1 new links  {scheme}://www.site.test:{port}/c",
        f"200  0 new links  {scheme}://deep.www.site.test:{port}/d",
    }


def test_crawler(names: DnsServer, pages: int):
    base = f"http://site.test:{pages}"
    status, lines, last = crawl(names, f"{base}/")
    assert lines == expected_lines(base)
    assert (status, last) == (1, "6 pages, 1 failed")
    assert {"site.test", "www.site.test", "deep.www.site.test"} <= set(names.asked)
    assert "elsewhere.test" not in names.asked


def test_crawler_over_tls(names: DnsServer, secure_pages: int, certificate: Path):
    base = f"https://site.test:{secure_pages}"
    status, lines, last = crawl(names, f"{base}/", certificate)
    assert lines == expected_lines(base)
    assert (status, last) == (1, "6 pages, 1 failed")
    # Nobody vouches for the certificate.
    status, lines, last = crawl(names, f"{base}/")
    assert (status, last) == (1, "1 pages, 1 failed")
    assert "certificate" in lines.pop()


def test_crawler_no_such_host(names: DnsServer):
    status, lines, last = crawl(names, "http://nowhere.test/")
    assert (status, last) == (1, "1 pages, 1 failed")


@pytest.fixture
def proxy(start: Callable, names: DnsServer) -> Callable[[int], int]:
    """proxy(port): the port of a proxy to that port of site.test."""

    def start_proxy(port: int) -> int:
        process = start(
            [C_EXAMPLES / "tcp_proxy", "127.0.0.1:0", "www.site.test", str(port)],
            env={**os.environ, "GROVE_DNS_SERVERS": names.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = process.stdout.readline()
        return int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)[1])

    return start_proxy


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_tcp_proxy_passes_a_half_close_on(proxy: Callable[[int], int]):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = proxy(server.getsockname()[1])
        server.settimeout(20)
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            request = os.urandom(1_000_000)
            sender = threading.Thread(target=client.sendall, args=(request,))
            sender.start()
            accepted, _ = server.accept()
            with accepted:
                accepted.settimeout(20)
                got = b""
                while len(got) < len(request):
                    got += accepted.recv(65536)
                sender.join()
                assert got == request
                # The client says that it is done, and is still answered.
                client.shutdown(socket.SHUT_WR)
                assert accepted.recv(1) == b""
                accepted.sendall(request[::-1])
                accepted.shutdown(socket.SHUT_WR)
                assert read_all(client) == request[::-1]


def test_tcp_proxy_without_a_server(proxy: Callable[[int], int]):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = proxy(unused.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            assert read_all(client) == b""
