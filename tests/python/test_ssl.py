"""TLS on cooperative sockets."""

import errno
import os
import ssl as stdlib
import struct
import subprocess
import sys
import textwrap

import awaiting
import grove
import pytest
from awaiting import HANG
from grove import socket, ssl
from grove.server import StreamServer


@pytest.fixture
def server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def echo(sock, address):
        while data := sock.recv(65536):
            sock.sendall(data)

    with StreamServer(("127.0.0.1", 0), echo, ssl_context=context) as running:
        yield running


@pytest.fixture
def context(certificate):
    return ssl.create_default_context(cafile=certificate[0])


def connect(server, context, **kwargs):
    sock = socket.create_connection(server.address, timeout=60)
    return context.wrap_socket(sock, server_hostname="localhost", **kwargs)


def test_echo(server, context):
    with connect(server, context) as sock:
        assert isinstance(sock, ssl.SSLSocket) and isinstance(sock, socket.socket)
        assert sock.version().startswith("TLS") and sock.cipher()
        assert sock.getpeercert()["subject"][0][0] == ("commonName", "localhost")
        data = bytes(range(256)) * 4000
        sender = grove.spawn(sock.sendall, data)
        received = bytearray()
        while len(received) < len(data):
            received += sock.recv(65536)
        sender.get(timeout=60)
        assert received == data


def test_many_at_once(server, context):
    def talk(i):
        with connect(server, context) as sock:
            sock.sendall(b"%d" % i)
            return sock.recv(100)

    jobs = [grove.spawn(talk, i) for i in range(10)]
    grove.joinall(jobs, timeout=60, raise_error=True)
    assert [job.value for job in jobs] == [b"%d" % i for i in range(10)]


def test_makefile_and_recv_into(server, context):
    with connect(server, context) as sock:
        file = sock.makefile("rwb")
        file.write(b"line\n")
        file.flush()
        assert file.readline() == b"line\n"
        sock.sendall(b"abc")
        buffer = bytearray(10)
        assert sock.recv_into(buffer) == 3 and buffer[:3] == b"abc"
        file.close()


def test_time_outs(server, context):
    with connect(server, context) as sock:
        sock.settimeout(0.05)
        with pytest.raises(socket.timeout, match="The read operation timed out"):
            sock.recv(1)
        sock.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            sock.recv(1)


def test_handshake_times_out(context):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        sock = socket.create_connection(silent.getsockname())
        sock.settimeout(0.05)
        with pytest.raises(socket.timeout, match="handshake operation timed out"):
            context.wrap_socket(sock, server_hostname="localhost")


def test_wrong_host_name(server, context):
    sock = socket.create_connection(server.address, timeout=60)
    with pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(sock, server_hostname="elsewhere")


def test_later_handshake_and_connect(server, context):
    plain = socket.socket()
    sock = context.wrap_socket(
        plain, server_hostname="localhost", do_handshake_on_connect=False
    )
    sock.connect(server.address)
    sock.do_handshake()
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    sock.close()


def test_server_that_speaks_no_tls_is_told(server):
    with socket.create_connection(server.address, timeout=60) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            while sock.recv(1000):
                pass
        except ConnectionResetError:
            pass  # part of the request was not read


def test_unwrap(certificate, context):
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(*certificate)
    a, b = socket.socketpair()
    accepting = grove.spawn(server_context.wrap_socket, a, server_side=True)
    client = context.wrap_socket(b, server_hostname="localhost")
    server = accepting.get(timeout=60)
    ending = grove.spawn(server.unwrap)
    plain = client.unwrap()
    other = ending.get(timeout=60)
    assert plain is client and isinstance(plain, socket.socket)
    plain.sendall(b"plain")
    assert other.recv(10) == b"plain"
    with pytest.raises(ValueError):
        plain.unwrap()
    # And TLS again.
    accepting = grove.spawn(server_context.wrap_socket, other, server_side=True)
    with context.wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(b"secret")
        with accepting.get(timeout=60) as server:
            assert server.recv(10) == b"secret"


def test_after_the_end(server, context):
    sock = connect(server, context)
    sock.close()
    for use in lambda: sock.read(1), lambda: sock.write(b"x"), sock.unwrap:
        with pytest.raises(ValueError):
            use()
    with pytest.raises(OSError):
        sock.recv(1)


def test_before_it_is_connected(server, context):
    with context.wrap_socket(socket.socket(), server_hostname="localhost") as sock:
        for use in sock.do_handshake, sock.getpeercert:
            with pytest.raises(OSError) as caught:
                use()
            assert caught.value.errno == errno.ENOTCONN
        with pytest.raises(ValueError):
            sock.unwrap()


def test_connected_without_waiting(server, context):
    with context.wrap_socket(
        socket.socket(), server_hostname="localhost", do_handshake_on_connect=False
    ) as sock:
        sock.setblocking(False)
        assert sock.connect_ex(server.address) == errno.EINPROGRESS
        with pytest.raises(OSError):
            sock.send(b"not in plain")
        socket.wait_write(sock.fileno(), HANG)
        sock.setblocking(True)
        sock.do_handshake()
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def test_data_before_the_handshake_and_then_the_end(context):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        peer.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        peer.sendall(b"HTTP/1.0 307 Temporary Redirect\r\n")
        socket.wait_read(client.fileno(), HANG)
        peer.close()  # which resets the connection
        awaiting.until(lambda: not _is_connected(client))
        with pytest.raises(ssl.SSLError) as caught:
            context.wrap_socket(client, server_hostname="localhost")
        error = caught.value
        assert error.args == (errno.ENOTCONN, error.reason)
        assert "before TLS handshake with data" in error.reason
        assert error.library is None


def _is_connected(sock):
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def test_sendfile(server, context, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with connect(server, context) as sock, path.open("rb") as file:
        assert sock.sendfile(file, 2, 5) == 5
        assert sock.recv(100) == b"23456"


def test_the_server_may_not_check_names(context, certificate):
    a, b = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with a, b, pytest.raises(ValueError):
        context.wrap_socket(a, server_side=True)


def test_settings_of_a_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    assert context.minimum_version is stdlib.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    assert context.options & ssl.OP_NO_TICKET
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert context.verify_mode is stdlib.CERT_NONE
    context.verify_flags |= ssl.VERIFY_X509_STRICT


def test_refusals(context):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(NotImplementedError):
            context.wrap_socket(sock, server_hostname="x")
    with socket.socket() as sock:
        with pytest.raises(ValueError):
            context.wrap_socket(sock)
    with pytest.raises(TypeError):
        ssl.SSLSocket()


HTTPS = """
    import sys
    {first}
    from grove import monkey
    monkey.{patch}()
    import http.server, ssl, threading, time, urllib.request
    import grove
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain({certificate!r}, {key!r})
    from grove.pywsgi import WSGIServer

    def application(environ, start_response):
        time.sleep(0.1)
        start_response("200 OK", [])
        return [environ["wsgi.url_scheme"].encode()]

    server = WSGIServer(("127.0.0.1", 0), application, log=None, ssl_context=context)
    server.start()
    url = f"https://127.0.0.1:{{server.server_port}}/"
    trust = ssl.create_default_context(cafile={certificate!r})
    def fetch():
        {fetch}
    jobs = [grove.spawn(fetch) for _ in range(5)]
    grove.joinall(jobs, timeout=60, raise_error=True)
    print([job.value for job in jobs] == [b"https"] * 5)
"""


OPENS = "return urllib.request.urlopen(url, context=trust).read()"
REQUESTS = "return requests.get(url, verify={certificate!r}).content"
POOL = "return urllib3.PoolManager(ca_certs={certificate!r}).request('GET', url).data"


@pytest.mark.parametrize(
    "first, fetch",
    [
        ("", OPENS),
        ("import ssl, urllib.request", OPENS),
        ("import requests", REQUESTS),
        ("import urllib3", POOL),
    ],
)
def test_https_in_a_patched_process(certificate, first, fetch):
    names = {"certificate": certificate[0], "key": certificate[1]}
    source = textwrap.dedent(HTTPS).format(
        first=first, patch="patch_all", fetch=fetch.format(**names), **names
    )
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60
    )
    assert result.stdout == "True\n", result.stderr


EARLY = """
    import ssl
    from ssl import SSLContext, TLSVersion, create_default_context
    made = create_default_context()
    from grove import monkey
    monkey.patch_all()
    import socket, time
    import grove
    from grove.ssl import SSLSocket
    assert ssl.SSLContext is grove.ssl.SSLContext is not SSLContext
    for context in made, SSLContext(ssl.PROTOCOL_TLS_CLIENT), create_default_context():
        assert isinstance(context, ssl.SSLContext)
        context.minimum_version = TLSVersion.TLSv1_2
        assert context.minimum_version is TLSVersion.TLSv1_2
        context.maximum_version = TLSVersion.TLSv1_3
        assert context.maximum_version is TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_TICKET
        assert context.options & ssl.OP_NO_TICKET
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        assert context.verify_flags & ssl.VERIFY_X509_STRICT
        context._msg_callback = print
        assert context._msg_callback is print
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        assert context.verify_mode is ssl.CERT_NONE
        with socket.socket() as plain, context.wrap_socket(plain) as sock:
            assert type(sock) is SSLSocket
        incoming = ssl.MemoryBIO()
        assert context.wrap_bio(incoming, ssl.MemoryBIO()).context is context
    assert not isinstance(ssl, ssl.SSLContext)
"""


def test_contexts_from_before_the_patch():
    source = textwrap.dedent(EARLY)
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr


def test_send_within_a_time_of_its_own(server, context):
    with connect(server, context) as sock:
        with pytest.raises(socket.timeout, match="write operation timed out"):
            while True:  # nobody reads what comes back
                sock.send(b"x" * 65536, timeout=0.05)


def test_nothing_is_read_after_detaching(server, context):
    sock = connect(server, context)
    number = sock.detach()
    with pytest.raises(OSError) as caught:
        sock.recv(1)
    assert caught.value.errno == errno.EBADF
    os.close(number)
