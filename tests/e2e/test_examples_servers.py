"""The example servers in C: HTTP, chat, TLS, and their clients."""

import http.client
import http.server
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import C_EXAMPLES, port_of, serving

# ---- HTTP -------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory to serve, and a secret beside it."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<p>index")
    (root / "sub" / "a file.txt").write_text("text")
    (root / "large").write_bytes(bytes(range(256)) * 8192)
    (tmp_path / "secret").write_text("secret")
    (root / "link").symlink_to("../secret")
    (root / "inner").symlink_to("index.html")
    return root


@pytest.fixture
def http_port(files: Path, start: Callable) -> int:
    return port_of(start([C_EXAMPLES / "http_static", files], stdout=subprocess.PIPE, text=True))


def test_http_static_serves_files(http_port: int, files: Path):
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=20)
    wanted = {
        "/": b"<p>index",
        "/index.html?query": b"<p>index",
        "/inner": b"<p>index",
        "/sub/a%20file.txt": b"text",
        "/large": (files / "large").read_bytes(),
    }
    for path, body in wanted.items():  # on one connection
        connection.request("GET", path)
        sock = connection.sock
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, body)
        assert connection.sock is sock and sock is not None
    connection.request("HEAD", "/large")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    assert response.getheader("Content-Length") == str(256 * 8192)
    connection.request("GET", "/", headers={"Connection": "close"})
    assert connection.getresponse().read() == b"<p>index"
    assert connection.sock is None


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/sub",
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/link",
        "//etc/../../../etc/passwd",
        "/sub/",
    ],
)
def test_http_static_refuses_what_is_not_below(http_port: int, path: str):
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=20)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 404
    assert b"secret" not in response.read()


@pytest.mark.parametrize(
    "request_head, status",
    [
        ("nonsense", 400),
        ("GET / HTTP/2.0\r\nHost: a", 505),
        ("GET / HTTP/1.1", 400),
        ("GET relative HTTP/1.1\r\nHost: a", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a", 400),
        ("GET /%00 HTTP/1.1\r\nHost: a", 400),
        ("GET /% HTTP/1.1\r\nHost: a", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3", 405),
    ],
)
def test_http_static_refuses_bad_requests(http_port: int, request_head: str, status: int):
    with socket.create_connection(("127.0.0.1", http_port), 20) as sock:
        sock.sendall(f"{request_head}\r\n\r\n".encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 %d " % status)


def test_http_static_answers_requests_sent_at_once(http_port: int):
    with socket.create_connection(("127.0.0.1", http_port), 20) as sock:
        head = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
        sock.sendall(head * 3 + b"GET / HTTP/1.0\r\n\r\n")
        got = b""
        while part := sock.recv(4096):
            got += part
        assert got.count(b"200 OK") == 4
    with socket.create_connection(("127.0.0.1", http_port), 20) as sock:
        sock.sendall(b"GET /" + b"x" * 10000)  # no target is so long
        assert sock.recv(12) == b"HTTP/1.1 414"


# ---- a reverse proxy ----------------------------------------------------------


class _Behind(http.server.BaseHTTPRequestHandler):
    """Says what it was asked, and by which connection."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        got = b""
        while size := int(self.rfile.readline(), 16):
            got += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return got

    def answer(self) -> None:
        body = self.body()
        self.send_response(200)
        self.send_header("X-Method", self.command)
        self.send_header("X-Host", self.headers["Host"])
        self.send_header("X-Hop", str(self.headers.get("X-Hop")))
        self.send_header("X-Port", str(self.client_address[1]))
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(body), 50000):
                piece = body[at : at + 50000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/close":
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    do_GET = do_HEAD = do_POST = answer


@pytest.fixture
def behind() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Behind)
    server.daemon_threads = True
    with serving(server):
        yield server


@pytest.fixture
def http_proxy(behind: http.server.ThreadingHTTPServer, start: Callable) -> int:
    command = [C_EXAMPLES / "http_proxy", "127.0.0.1:0", "127.0.0.1"]
    return port_of(
        start([*command, str(behind.server_port)], stdout=subprocess.PIPE, text=True)
    )


LONG_BODY = bytes(range(256)) * 2000


@pytest.mark.parametrize("body", [b"", b"short", LONG_BODY], ids=["none", "short", "long"])
@pytest.mark.parametrize("path", ["/", "/chunked", "/close"])
@pytest.mark.parametrize("chunked", [False, True], ids=["counted", "chunked"])
def test_http_proxy_passes_on(http_proxy: int, path: str, body: bytes, chunked: bool):
    connection = http.client.HTTPConnection("127.0.0.1", http_proxy, timeout=20)
    headers = {"X-Hop": "1", "Connection": "X-Hop"}
    for _ in range(3):  # on one connection
        connection.request(
            "POST",
            path,
            body=iter([body[:7], body[7:]]) if chunked else body,
            headers=headers,
            encode_chunked=chunked,
        )
        sock = connection.sock
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, body)
        assert response.getheader("X-Method") == "POST"
        assert response.getheader("X-Host").startswith("127.0.0.1:")
        assert response.getheader("X-Hop") == "None"
        assert connection.sock is sock is not None


def test_http_proxy_keeps_its_connection(http_proxy: int):
    ports = set()
    for _ in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", http_proxy, timeout=20)
        connection.request("HEAD", "/")
        response = connection.getresponse()
        assert response.getheader("Content-Length") == "0"
        ports.add(response.getheader("X-Port"))
        connection.close()
    assert len(ports) == 1


def test_http_proxy_by_curl(http_proxy: int, tmp_path: Path):
    if not shutil.which("curl"):
        pytest.skip("curl is another client: apt-get install curl")
    (tmp_path / "body").write_bytes(LONG_BODY)
    url = f"http://127.0.0.1:{http_proxy}/chunked"
    for given in (["--data-binary", f"@{tmp_path}/body"], ["-H", "Transfer-Encoding: chunked"]):
        body = ["--data-binary", f"@{tmp_path}/body"]
        command = ["curl", "-sS", "--max-time", "20", *dict.fromkeys([*given, *body]), url]
        assert subprocess.check_output([*command, url]) == LONG_BODY * 2


def test_http_proxy_without_a_server(http_proxy: int, behind: http.server.ThreadingHTTPServer):
    behind.shutdown()
    behind.server_close()
    connection = http.client.HTTPConnection("127.0.0.1", http_proxy, timeout=20)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, response.read()) == (502, b"")


# ---- chat ---------------------------------------------------------------------


@pytest.mark.parametrize("port", ["chat_server"], indirect=True)
def test_chat_server(port: int):
    people = {}
    for name in ("ann", "bob", "eve"):
        sock = socket.create_connection(("127.0.0.1", port), 20)
        people[name] = lines = sock.makefile("rw", newline="\n")
        assert lines.readline() == "your name?\n"
        lines.write(f"{name}\r\n")
        lines.flush()
        for other in people:
            if other != name:
                assert people[other].readline() == f"{name}: (is here)\n"
        sock.close()
    people["ann"].write("hello\nagain\n")
    people["ann"].flush()
    for other in ("bob", "eve"):
        assert people[other].readline() == "ann: hello\n"
        assert people[other].readline() == "ann: again\n"
    people["bob"].close()
    for other in ("ann", "eve"):
        assert people[other].readline() == "bob: (has left)\n"
    for other in ("ann", "eve"):
        people[other].close()


@pytest.mark.parametrize("port", ["chat_server"], indirect=True)
def test_chat_server_leaves_the_slow_behind(port: int):
    socks = []
    for name in (b"slow\n", b"ann\n"):
        sock = socket.create_connection(("127.0.0.1", port), 20)
        assert sock.recv(100) == b"your name?\n"
        sock.sendall(name)
        socks.append(sock)
    slow, ann = socks
    # More than the kernel keeps for one who does not read; it holds up nobody.
    said = 0
    for said in range(30000):
        ann.sendall(b"%d %s\n" % (said, b"x" * 450))
    heard = 0
    with slow.makefile("rb") as lines:
        assert lines.readline() == b"ann: (is here)\n"
        while not (line := lines.readline()).startswith(b"* you have missed "):
            assert line.startswith(b"ann: %d x" % heard)
            heard += 1
            if heard % 500 == 0:  # for the apology to come before
                said += 1
                ann.sendall(b"%d x\n" % said)
        missed = int(line.split()[4])
        assert missed > 0
        assert lines.readline().startswith(b"ann: %d x" % (heard + missed))
    for sock in socks:
        sock.close()


# ---- TLS ------------------------------------------------------------------------


def openssl(*arguments: object) -> None:
    subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and signed by it server.pem (for localhost) and client.pem."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    openssl(
        "req", "-x509", *key, "-subj", "/CN=Test CA", "-days", 2,
        "-keyout", folder / "ca.key", "-out", folder / "ca.pem",
    )
    for name, host in (("server", "localhost"), ("client", "alice")):
        openssl(
            "req", "-x509", *key, "-subj", f"/CN={name}", "-days", 2,
            "-addext", f"subjectAltName=DNS:{host}",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
            "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem",
        )
    return folder


@pytest.fixture
def tls_server(certificates: Path, start: Callable) -> Callable[..., tuple]:
    """tls_server(**environment): the process and its port."""

    def start_server(**environment: str) -> tuple[subprocess.Popen, int]:
        process = start(
            [C_EXAMPLES / "tls_echo_server", certificates / "server.pem"]
            + [certificates / "server.key"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return process, port_of(process)

    return start_server


def tls_client(
    certificates: Path, host: str, port: int, **environment: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [C_EXAMPLES / "tls_echo_client", certificates / "ca.pem", host, str(port)]
        + ["hello", "again"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_tls_echo(certificates: Path, tls_server: Callable):
    process, port = tls_server()
    client = tls_client(certificates, "localhost", port)
    assert client.stderr == ""
    assert client.stdout.splitlines() == [
        "TLSv1.3, verified for localhost",
        "hello",
        "again",
        "TLSv1.3, resumed",
        "hello",
        "again",
    ]
    wrong = tls_client(certificates, "example.org", port)
    assert wrong.returncode == 1
    assert "the certificate is for localhost, not for example.org" in wrong.stderr
    process.terminate()
    assert process.wait(20) == 0  # a clean end


def test_tls_echo_with_client_certificates(certificates: Path, tls_server: Callable):
    process, port = tls_server(CLIENT_CA=str(certificates / "ca.pem"))
    mine = {
        "CERT": str(certificates / "client.pem"),
        "KEY": str(certificates / "client.key"),
    }
    assert "hello" in tls_client(certificates, "localhost", port, **mine).stdout
    assert process.stderr.readline().endswith(" CN=client\n")
    refused = tls_client(certificates, "localhost", port)
    assert refused.returncode == 1
    assert "the peer refused the connection: " in refused.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_echo_server_and_s_client(
    certificates: Path, tls_server: Callable, version: str
):
    _, port = tls_server()
    session = certificates / f"session{version}"
    for state, option in (("New", "-sess_out"), ("Reused", "-sess_in")):
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version]
            + ["-servername", "localhost", "-verify_hostname", "localhost"]
            + ["-CAfile", certificates / "ca.pem", "-verify_return_error"]
            + [option, session],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with client:
            client.stdin.write("hello over there\n")
            client.stdin.flush()
            said = ""
            while not said.endswith("hello over there\n"):
                line = client.stdout.readline()
                assert line, said
                said += line
            said += client.communicate("Q\n", timeout=60)[0]
        assert f"{state}, {'TLSv1.2' if version == '-tls1_2' else 'TLSv1.3'}" in said
        assert "Verify return code: 0 (ok)" in said


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_echo_client_and_s_server(certificates: Path, start: Callable, version: str):
    # s_server says back what it is told, reversed, a line at a time.
    server = start(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", version]
        + ["-cert", certificates / "server.pem", "-key", certificates / "server.key"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    port = None
    while port is None:
        line = server.stdout.readline()
        assert line
        if found := re.match(r"ACCEPT 127\.0\.0\.1:(\d+)", line):
            port = int(found[1])
    client = subprocess.run(
        [C_EXAMPLES / "tls_echo_client", certificates / "ca.pem", "localhost"]
        + [str(port), "hello\n"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    name = "TLSv1.2" if version == "-tls1_2" else "TLSv1.3"
    assert client.stdout.splitlines()[:2] == [f"{name}, verified for localhost", "olleh"]
    assert f"{name}, resumed" in client.stdout


# ---- Keys and values ---------------------------------------------------------


@pytest.fixture
def key_values(start: Callable) -> Iterator[socket.socket]:
    port = port_of(start([C_EXAMPLES / "key_value_server"], stdout=subprocess.PIPE, text=True))
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        yield connection


def resp(*words: bytes) -> bytes:
    """A command of Redis's protocol."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def receive(connection: socket.socket, size: int) -> bytes:
    """So many bytes. A socket with a timeout does not block, so that MSG_WAITALL
    would return what there is."""
    got = b""
    while len(got) < size and (part := connection.recv(size - len(got))):
        got += part
    return got


CONVERSATION = [
    (resp(b"PING"), b"+PONG\r\n"),
    (resp(b"ping", b"hello"), b"$5\r\nhello\r\n"),
    (resp(b"GET", b"key"), b"$-1\r\n"),
    (resp(b"SET", b"key", b"a\r\nb\0c"), b"+OK\r\n"),
    (resp(b"GET", b"key"), b"$6\r\na\r\nb\0c\r\n"),
    (resp(b"SET", b"key", b""), b"+OK\r\n"),
    (resp(b"GET", b"key"), b"$0\r\n\r\n"),
    (resp(b"DEL", b"key"), b":1\r\n"),
    (resp(b"DEL", b"key"), b":0\r\n"),
    (resp(b"HELLO"), b"-ERR unknown command or number of arguments\r\n"),
]


def test_key_value_server_answers(key_values: socket.socket):
    for command, answer in CONVERSATION:
        key_values.sendall(command)
        assert receive(key_values, len(answer)) == answer


def test_key_value_server_is_pipelined_and_cut(key_values: socket.socket):
    commands, answers = (b"".join(parts) for parts in zip(*CONVERSATION))
    for cut in range(len(commands)):
        key_values.sendall(commands[:cut])
        key_values.sendall(commands[cut:])
        assert receive(key_values, len(answers)) == answers


def test_key_value_server_keeps_many(key_values: socket.socket):
    count = 5000
    for i in range(count):
        key_values.sendall(resp(b"SET", b"key %d" % i, b"%d" % (i * i)))
        assert receive(key_values, 5) == b"+OK\r\n"
    key_values.sendall(b"".join(resp(b"GET", b"key %d" % i) for i in range(count)))
    answers = b"".join(b"$%d\r\n%d\r\n" % (len(str(i * i)), i * i) for i in range(count))
    assert receive(key_values, len(answers)) == answers


@pytest.mark.parametrize(
    "nonsense, answer",
    [
        (b"GET key\r\n", b"-ERR Protocol error\r\n"),
        (b"*1\r\n$4\r\nPINGxx", b"-ERR Protocol error\r\n"),
        (b"*9\r\n", b"-ERR Protocol error\r\n"),
        (b"*0\r\n", b"-ERR Protocol error\r\n"),
        (b"*1\r\n$99999999999999999999\r\n", b"-ERR Protocol error\r\n"),
        (resp(b"SET", b"key", b"x" * 65536), b"-ERR the command is too long\r\n"),
    ],
)
def test_key_value_server_refuses_nonsense(
    key_values: socket.socket, nonsense: bytes, answer: bytes
):
    key_values.sendall(resp(b"PING") + nonsense)
    expected = b"+PONG\r\n" + answer
    assert receive(key_values, len(expected)) == expected
    try:
        assert key_values.recv(1) == b""
    except ConnectionResetError:
        pass  # it has not read all of the nonsense


def test_http_proxy_drops_an_upgrade(http_proxy: int):
    connection = http.client.HTTPConnection("127.0.0.1", http_proxy, timeout=20)
    headers = {
        "Upgrade": "h2c",
        "Connection": "Upgrade, HTTP2-Settings",
        "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA",
    }
    connection.request("GET", "/", headers=headers)
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")


def test_http_proxy_with_more_fields_than_it_passes_on(http_proxy: int):
    connection = http.client.HTTPConnection("127.0.0.1", http_proxy, timeout=20)
    connection.request("GET", "/", headers={f"X-{i}": "x" for i in range(40)})
    response = connection.getresponse()
    assert (response.status, response.read()) == (431, b"")
