"""StreamServer, DatagramServer and parse_address."""

import errno
import socket as stdlib

import grove
import grove.event
import pytest
from awaiting import HANG, until
from grove import baseserver, socket
from grove.baseserver import parse_address
from grove.pool import Pool
from grove.server import DatagramServer, StreamServer


def echo(sock, address):
    while data := sock.recv(1000):
        sock.sendall(data)


def talk(server, text=b"hello"):
    with socket.create_connection(server.address, timeout=60) as sock:
        sock.sendall(text)
        return sock.recv(1000)


def test_serves_and_stops():
    server = StreamServer(("127.0.0.1", 0), echo)
    assert not server.started
    with server:
        assert server.started and server.server_port > 0
        assert server.server_host == "127.0.0.1"
        clients = [grove.spawn(talk, server, b"%d" % i) for i in range(20)]
        grove.joinall(clients, timeout=60, raise_error=True)
        assert [c.value for c in clients] == [b"%d" % i for i in range(20)]
        address = server.address
    assert not server.started and server.closed
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    server.stop()


def test_connection_is_closed_after_the_handler():
    with StreamServer(("127.0.0.1", 0), lambda sock, address: None) as server:
        with socket.create_connection(server.address, timeout=60) as sock:
            assert sock.recv(1) == b""


def test_failing_handler_is_told_of(capsys):
    def fail(sock, address):
        sock.recv(1000)
        raise KeyError("in the handler")

    with StreamServer(("127.0.0.1", 0), fail) as server:
        assert talk(server) == b""
        assert talk(server) == b""
    assert "in the handler" in capsys.readouterr().err


def test_pool_bounds_it():
    inside = []
    highest = []

    def handle(sock, address):
        inside.append(sock)
        highest.append(len(inside))
        grove.sleep(0.01)
        sock.sendall(b"x")
        inside.remove(sock)

    server = StreamServer(("127.0.0.1", 0), handle, spawn=2)
    assert isinstance(server.pool, Pool)
    with server:
        clients = [grove.spawn(talk, server) for _ in range(6)]
        grove.joinall(clients, timeout=60, raise_error=True)
    assert max(highest) == 2


class Inside(Exception):
    """What a handler raises."""


@pytest.mark.parametrize(
    "raised, told",
    [(Inside(), [Inside] * 3), (grove.Timeout(1), [grove.Timeout] * 3)]
    + [(grove.GreenletExit(), [])],
)
def test_handler_in_the_accepting_greenlet_that_fails(errors, raised, told):
    def fail(sock, address):
        raise raised

    with StreamServer(("127.0.0.1", 0), fail, spawn=None) as server:
        for _ in range(3):
            assert talk(server, b"") == b""
        assert server.started
        del server.handle
    assert [error[1] for error in errors] == told


def test_what_comes_while_a_handler_is_in_the_accepting_greenlet():
    gate = grove.event.Event()
    order = []

    def wait(sock, address):
        number = sock.recv(1)
        order.append(number)
        gate.wait()
        order.append(number)

    with StreamServer(("127.0.0.1", 0), wait, spawn=None) as server:
        talking = [grove.spawn(talk, server, b"%d" % i) for i in range(3)]
        until(lambda: order)
        grove.spawn(gate.set)
        grove.joinall(talking, timeout=HANG, raise_error=True)
    assert order[::2] == order[1::2] and sorted(order[::2]) == [b"0", b"1", b"2"]


def test_pause_after_an_error_of_accept(errors, monkeypatch):
    pauses = []
    monkeypatch.setattr(baseserver, "sleep", pauses.append)

    class Server(StreamServer):
        def do_read(self):
            if len(pauses) < 10:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().do_read()

    with Server(("127.0.0.1", 0), echo) as server:
        assert talk(server) == b"hello"
        assert server.delay == server.min_delay
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 1.0]
    assert [error[1] for error in errors] == [OSError] * 10


def test_end_of_the_listener_ends_the_server(capsys):
    with StreamServer(("127.0.0.1", 0), echo) as server:
        grove.sleep(0)
        server.socket.close()
        until(lambda: not server.started)
        assert server.closed
    assert capsys.readouterr().err.count("ERROR") == 1


def test_repr():
    class Server(StreamServer):
        def handle(self, sock, address):
            pass

    with Server(("127.0.0.1", 0)) as server:
        text = f"fileno={server.socket.fileno()} address=127.0.0.1:{server.server_port}"
        assert str(server) == f"<Server {text}>"
        assert repr(server) == f"<Server at {id(server):#x} {text}>"
    assert f"handle={echo!r}>" in repr(StreamServer(("127.0.0.1", 0), echo))
    assert "address=/run/x " in repr(StreamServer("/run/x", echo))


@pytest.mark.parametrize("spawn", [None, grove.spawn, grove.spawn_raw, Pool(5)])
def test_ways_to_spawn(spawn):
    with StreamServer(("127.0.0.1", 0), echo, spawn=spawn) as server:
        assert talk(server) == b"hello"


def test_stop_lets_handlers_finish_then_kills():
    begun, ended = [], []

    def handle(sock, address):
        begun.append(sock)
        try:
            grove.sleep(0.02 if not ended else HANG)
            ended.append("finished")
        except grove.GreenletExit:
            ended.append("killed")

    server = StreamServer(("127.0.0.1", 0), handle, spawn=Pool(5))
    for stop_timeout in HANG, 0.01:
        begun.clear()
        server.start()
        with socket.create_connection(server.address):
            until(lambda: begun)
            server.stop(timeout=stop_timeout)
        server = StreamServer(("127.0.0.1", 0), handle, spawn=Pool(5))
    assert ended == ["finished", "killed"]


def test_serve_forever():
    server = StreamServer(("127.0.0.1", 0), echo)
    serving = grove.spawn(server.serve_forever)
    until(lambda: server.started)
    assert talk(server) == b"hello"
    server.stop()
    serving.get(timeout=60)


@pytest.mark.parametrize("module", [stdlib, socket])
def test_given_socket(module):
    sock = module.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    with StreamServer(sock, echo) as server:
        assert server.address == sock.getsockname()
        assert talk(server) == b"hello"


def test_address_in_use():
    with StreamServer(("127.0.0.1", 0), echo) as server:
        with pytest.raises(OSError) as caught:
            StreamServer(server.address, echo).start()
    assert caught.value.errno == errno.EADDRINUSE


def test_unix_socket(tmp_path):
    path = str(tmp_path / "socket")
    with StreamServer(path, echo):
        with socket.socket(stdlib.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"


def test_stops_and_starts_accepting():
    with StreamServer(("127.0.0.1", 0), echo) as server:
        assert talk(server) == b"hello"
        server.stop_accepting()
        grove.sleep(0)
        waiting = grove.spawn(talk, server)
        waiting.join(timeout=0.02)
        assert not waiting.ready()
        server.start_accepting()
        assert waiting.get(timeout=60) == b"hello"


def test_handle_is_needed():
    with pytest.raises(TypeError):
        StreamServer(("127.0.0.1", 0))


def test_datagrams():
    got = []

    def handle(data, address):
        got.append(data)
        server.sendto(data.upper(), address)

    with DatagramServer(("127.0.0.1", 0), handle) as server:
        with socket.socket(type=stdlib.SOCK_DGRAM) as sock:
            sock.settimeout(60)
            sock.sendto(b"abc", server.address)
            assert sock.recv(10) == b"ABC"
    assert got == [b"abc"]


def test_parse_address():
    inet, inet6 = stdlib.AF_INET, stdlib.AF_INET6
    assert parse_address(("h", 1)) == (inet, ("h", 1))
    assert parse_address(("::1", 1)) == (inet6, ("::1", 1))
    assert parse_address("h:1") == (inet, ("h", 1))
    assert parse_address("[::1]:2") == (inet6, ("::1", 2))
    assert parse_address(":8080") == (inet, ("", 8080))
    with stdlib.socket(inet6) as probe:
        has_inet6 = not probe.connect_ex(("::1", 0)) == errno.EADDRNOTAVAIL
    of_all = inet6 if has_inet6 else inet
    assert parse_address(8080) == parse_address("8080") == (of_all, ("", 8080))
    assert parse_address(("", 8080)) == (of_all, ("", 8080))
    assert parse_address("/run/x") == (stdlib.AF_UNIX, "/run/x")
    for bad in ("nonsense", "h:x", "5.5"):
        with pytest.raises(ValueError, match=bad):
            parse_address(bad)
    for bad in (5.5, None, b"h:1"):
        with pytest.raises(TypeError, match="Expected an address"):
            parse_address(bad)


def test_a_port_of_all_is_heard_by_ipv4():
    with StreamServer(0, echo) as server:
        with socket.create_connection(("127.0.0.1", server.server_port), 60) as sock:
            sock.sendall(b"hello")
            assert sock.recv(1000) == b"hello"


def test_one_that_was_not_made_is_shown():
    class Unmade(StreamServer):
        def __init__(self):
            pass

    assert "no attribute 'address'" in repr(Unmade())
