"""grove.socket: what waits, and that it does not hold up others."""

import _thread
import array
import errno
import fcntl
import gc
import io
import os
import pickle
import re
import socket as stdlib
import threading
import time
import tracemalloc
import weakref

import grove
import pytest
from awaiting import HANG
from grove import select, socket
from grove.exceptions import ConcurrentObjectUseError


@pytest.fixture
def listener():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(10)
        yield sock


def fill(sock):
    """Send until nothing more fits."""
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            sock.send(b"x" * 65536)
    sock.setblocking(True)


# ---- what it is ------------------------------------------------------------


def test_is_a_wrapper(pair):
    assert not isinstance(pair[0], stdlib.socket)
    assert isinstance(pair[0]._sock, stdlib.SocketType)
    assert os.get_blocking(pair[0].fileno()) is False
    assert socket.SocketType is socket.socket


def test_has_every_method_of_the_standard_class(pair):
    missing = [n for n in dir(stdlib.socket) if not n.startswith("_")]
    assert [n for n in missing if not hasattr(pair[0], n)] == []


def test_every_name_of_the_standard_module():
    assert [n for n in stdlib.__all__ if not hasattr(socket, n)] == []
    assert socket.AF_INET is stdlib.AF_INET
    assert set(socket.__dns__) <= set(socket.__implements__) <= set(socket.__all__)


def test_properties():
    with socket.socket(
        stdlib.AF_INET, stdlib.SOCK_STREAM | stdlib.SOCK_NONBLOCK
    ) as sock:
        assert sock.family is stdlib.AF_INET
        assert sock.type is stdlib.SOCK_STREAM
        assert sock.proto == 0
        assert sock.gettimeout() == 0.0 and not sock.getblocking()
        assert not sock.get_inheritable()
        sock.set_inheritable(True)
        assert sock.get_inheritable()


def test_repr_and_close():
    sock = socket.socket()
    assert f"fd={sock.fileno()}" in repr(sock)
    sock.close()
    sock.close()
    assert "[closed]" in repr(sock)
    assert sock.fileno() == -1 and sock.closed
    with pytest.raises(OSError) as caught:
        sock.recv(1)
    assert caught.value.errno == errno.EBADF


def test_set_blocking_of_one_that_is_closed():
    sock = socket.socket()
    copy = socket.socket(fileno=sock.fileno())
    sock.close()
    for closed in sock, copy:
        with pytest.raises(OSError) as caught:
            closed.setblocking(False)
        assert caught.value.errno == errno.EBADF
    assert copy.detach() >= 0


def test_weak_reference_and_pickle(pair):
    assert weakref.ref(pair[0])() is pair[0]
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(pair[0])


def test_default_timeout():
    stdlib.setdefaulttimeout(3.5)
    try:
        with socket.socket() as sock:
            assert sock.gettimeout() == 3.5
    finally:
        stdlib.setdefaulttimeout(None)


def test_settimeout(pair):
    pair[0].settimeout(2)
    assert pair[0].gettimeout() == 2.0 and pair[0].timeout == 2.0
    pair[0].setblocking(False)
    assert pair[0].gettimeout() == 0.0
    pair[0].settimeout(None)
    assert pair[0].getblocking()
    with pytest.raises(ValueError):
        pair[0].settimeout(-1)
    for bad in "5", "x", b"5", [1]:
        with pytest.raises(TypeError, match=f"not {type(bad).__name__}"):
            pair[0].settimeout(bad)
    assert pair[0].gettimeout() is None


def test_unknown_family():
    with pytest.raises(OSError):
        socket.socket(9999)


def test_dup_and_detach(pair):
    a, b = pair
    copy = a.dup()
    assert type(copy) is socket.socket and copy.fileno() != a.fileno()
    copy.sendall(b"x")
    assert b.recv(1) == b"x"
    fd = copy.detach()
    assert copy.fileno() == -1
    other = socket.socket(fileno=fd)
    other.sendall(b"y")
    assert b.recv(1) == b"y"
    other.close()


def test_fromfd(pair):
    copy = socket.fromfd(pair[0].fileno(), stdlib.AF_UNIX, stdlib.SOCK_STREAM)
    assert type(copy) is socket.socket
    copy.sendall(b"x")
    assert pair[1].recv(1) == b"x"
    copy.close()


def test_closed_with_its_last_reference():
    a, b = socket.socketpair()
    with pytest.warns(ResourceWarning, match=f"unclosed {re.escape(repr(a))}"):
        del a
        gc.collect()
    assert b.recv(1) == b""
    b.close()


# ---- receiving and sending -------------------------------------------------


def test_recv_lets_others_run(pair):
    a, b = pair
    reader = grove.spawn(a.recv, 10)
    grove.sleep(0)
    assert not reader.ready()
    b.send(b"hello")
    assert reader.get(timeout=60) == b"hello"


def test_recv_sizes(pair):
    a, b = pair
    b.sendall(b"abcdef")
    assert a.recv(0) == b""
    assert a.recv(2, stdlib.MSG_PEEK) == b"ab"
    assert a.recv(3) == b"abc"
    with pytest.raises(ValueError):
        a.recv(-1)
    with pytest.raises(TypeError):
        a.recv("1")


@pytest.mark.parametrize("size", [1, 8191, 8192, 8193, 20000])
@pytest.mark.parametrize("waits", [False, True])
def test_recv_gets_what_was_sent(pair, size, waits):
    a, b = pair
    data = bytes(i % 251 for i in range(size))
    if waits:
        received = grove.spawn(b.recv, size)
        grove.sleep(0)
        a.sendall(data)
        assert received.get() == data
    else:
        a.sendall(data)
        assert b.recv(size, stdlib.MSG_PEEK) == data
        assert b.recv(2 * size) == data


def test_receivers_at_once_get_their_own():
    pairs = [socket.socketpair() for _ in range(50)]
    received = [grove.spawn(b.recv, 1024) for _, b in pairs]
    grove.sleep(0)
    for i, (a, _) in enumerate(pairs):
        a.send(b"%d" % i)
    assert [g.get() for g in received] == [b"%d" % i for i in range(50)]
    for a, b in pairs:
        a.close()
        b.close()


def test_who_waits_in_recv_has_no_buffer_yet(pair):
    a, b = pair
    count, size = 50, 8192
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        waiting = [grove.spawn(b.recv, size) for _ in range(count)]
        grove.sleep(0)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert not any(waiting_one.ready() for waiting_one in waiting)
    assert taken < count * size / 2
    a.close()
    assert [g.get() for g in waiting] == [b""] * count


@pytest.mark.parametrize("method", ["send", "sendall"])
def test_what_cannot_be_sent(pair, method):
    send = getattr(pair[0], method)
    for data in ("text", 3, None):
        with pytest.raises(TypeError, match="a bytes-like object is required"):
            send(data)
    with pytest.raises(BufferError):
        send(memoryview(b"abcd")[::2])
    with pytest.raises(TypeError):
        send(b"x", "flags")
    with pytest.raises(OverflowError):
        send(b"x", 1 << 40)


def test_recv_into(pair):
    a, b = pair
    b.sendall(b"abcdef")
    buffer = bytearray(4)
    assert a.recv_into(buffer, 2) == 2 and buffer == b"ab\0\0"
    assert a.recv_into(memoryview(buffer)) == 4 and buffer == b"cdef"
    with pytest.raises(ValueError):
        a.recv_into(buffer, 5)
    with pytest.raises(ValueError):
        a.recv_into(buffer, -1)
    with pytest.raises((TypeError, BufferError)):
        a.recv_into(b"readonly")


def test_sendall_of_much(pair):
    a, b = pair
    data = os.urandom(3_000_000)
    sender = grove.spawn(a.sendall, array.array("B", data))
    received = bytearray()
    while len(received) < len(data):
        received += b.recv(100_000)
    assert received == data
    assert sender.get(timeout=60) is None


def test_send_takes_what_there_is_room_for(pair):
    assert 0 < pair[0].send(b"x" * 10_000_000) < 10_000_000


def test_sendall_keeps_to_its_timeout_as_a_whole(pair):
    a, b = pair
    a.settimeout(0.15)

    def trickle():
        for _ in range(20 * HANG):
            grove.sleep(0.05)
            b.recv(1000)

    reader = grove.spawn(trickle)
    start = time.monotonic()
    with pytest.raises(socket.timeout):
        a.sendall(b"x" * 10_000_000)
    assert time.monotonic() - start > 0.14
    assert not reader.ready()  # each byte that it took would have begun anew
    reader.kill()


def test_makefile(pair):
    a, b = pair
    writer = b.makefile("w", encoding="utf-8")
    reader = a.makefile("r", encoding="utf-8")
    lines = grove.spawn(reader.readlines)
    writer.write("first\nsecond\n")
    writer.close()
    b.close()
    assert lines.get(timeout=60) == ["first\n", "second\n"]
    a.close()
    assert a.fileno() >= 0  # the file still has it
    reader.close()
    assert a.fileno() == -1


def test_datagrams():
    with socket.socket(type=stdlib.SOCK_DGRAM) as a:
        with socket.socket(type=stdlib.SOCK_DGRAM) as b:
            a.bind(("127.0.0.1", 0))
            reader = grove.spawn(a.recvfrom, 100)
            grove.sleep(0)
            b.sendto(b"one", a.getsockname())
            assert reader.get(timeout=60) == (
                b"one",
                ("127.0.0.1", b.getsockname()[1]),
            )
            b.sendto(b"two", 0, ("127.1", a.getsockname()[1]))
            buffer = bytearray(10)
            assert a.recvfrom_into(buffer)[0] == 3
            with pytest.raises(TypeError):
                b.sendto(b"x")


def test_messages(pair):
    a, b = pair
    reader = grove.spawn(a.recvmsg, 100)
    grove.sleep(0)
    assert b.sendmsg([b"ab", b"cd"]) == 4
    assert reader.get(timeout=60)[0] == b"abcd"
    b.sendmsg(iter([b"xyz"]))
    first, second = bytearray(2), bytearray(2)
    assert a.recvmsg_into([first, second])[0] == 3
    assert (first, second) == (b"xy", b"z\0")


def test_passing_descriptors(pair):
    read, write = os.pipe()
    socket.send_fds(pair[0], [b"fd"], [write])
    data, fds, *_ = socket.recv_fds(pair[1], 10, 2)
    os.write(fds[0], b"x")
    assert os.read(read, 1) == b"x"
    for fd in (read, write, *fds):
        os.close(fd)


def test_sendfile(pair, tmp_path):
    a, b = pair
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 10)
    with path.open("rb") as file:
        assert a.sendfile(file, offset=5, count=10) == 10
        assert file.tell() == 15
        assert b.recv(100) == b"5678901234"
        with pytest.raises(ValueError):
            a.sendfile(file, count=0)
    with path.open("r") as file, pytest.raises(ValueError):
        a.sendfile(file)


def test_sendfile_of_more_than_there_is_room_for(pair, tmp_path):
    a, b = pair
    data = os.urandom(1 << 20)
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        sending = grove.spawn(a.sendfile, file)
        assert b.recv(len(data), stdlib.MSG_WAITALL) == data
        assert sending.get(timeout=HANG) == len(data) == file.tell()
        a.settimeout(0.05)
        with pytest.raises(stdlib.timeout):
            while True:
                a.sendfile(file)


def test_sendfile_of_what_the_system_cannot_send(pair):
    a, b = pair
    assert a.sendfile(io.BytesIO(b"buffered")) == 8
    assert b.recv(100) == b"buffered"
    read, write = os.pipe()
    os.write(write, b"piped")
    os.close(write)
    with open(read, "rb") as file:
        assert a.sendfile(file) == 5
    assert b.recv(100) == b"piped"
    with pytest.raises(stdlib._GiveupOnSendfile):
        a._sendfile_use_sendfile(io.BytesIO(b"x"))


def test_sendfile_of_a_file_without_a_size(pair):
    a, b = pair
    with open("/proc/self/status", "rb") as file:
        assert a.sendfile(file) > 0
    assert b.recv(5) == b"Name:"


def test_sendfile_of_a_file_that_is_closed(pair, tmp_path):
    """Its number is another's by then, of which nothing is sent."""
    a, b = pair
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.write_bytes(b"m" * (1 << 22))
    other.write_bytes(b"o" * (1 << 22))
    file = mine.open("rb")
    number = file.fileno()
    sending = grove.spawn(a.sendfile, file)
    grove.sleep(0)  # there is no room for all of it
    file.close()
    with other.open("rb") as file:
        assert file.fileno() == number
        sending.link(lambda _: a.close())
        received = b""
        while data := b.recv(1 << 20):
            received += data
        with pytest.raises(ValueError, match="closed file"):
            sending.get()
    assert b"o" not in received


def test_detaching_wakes_who_waits(pair):
    """The descriptor is another's, and so is what comes."""
    a, b = pair
    reader = grove.spawn(a.recv, 10)
    grove.sleep(0)
    number = a.detach()
    b.sendall(b"for the new owner")
    with pytest.raises(OSError) as caught:
        reader.get(timeout=HANG)
    assert caught.value.errno == errno.EBADF
    with socket.socket(fileno=number) as owner:
        assert owner.recv(3) == b"for"
        reader = grove.spawn(owner.recv, 100)
        assert reader.get(timeout=HANG) == b" the new owner"
        reader = grove.spawn(owner.recv, 100)
        grove.sleep(0)
        b.sendall(b"more")
        assert reader.get(timeout=HANG) == b"more"


def test_sendfile_to_one_that_has_gone(pair, tmp_path):
    a, b = pair
    b.close()
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb") as file, pytest.raises(BrokenPipeError):
        a.sendfile(file)


def test_two_readers_of_one_socket(pair):
    a, b = pair
    readers = [grove.spawn(a.recv, 1) for _ in range(3)]
    grove.sleep(0)
    b.send(b"1")
    grove.sleep(0.01)
    b.send(b"23")
    grove.joinall(readers, timeout=60, raise_error=True)
    assert sorted(r.value for r in readers) == [b"1", b"2", b"3"]


def test_reader_that_never_waits_does_not_starve_others(pair):
    a, b = pair
    b.close()
    turns = []

    def spin():
        while not turns:
            a.recv(1)  # b"" at once, for ever

    spinner = grove.spawn(spin)
    grove.spawn_later(0.01, turns.append, 1)
    spinner.get(timeout=60)


# ---- time-outs, kills and closing ------------------------------------------


def test_timeout(pair):
    pair[0].settimeout(0.05)
    start = time.monotonic()
    with pytest.raises(stdlib.timeout, match="timed out"):
        pair[0].recv(1)
    assert time.monotonic() - start >= 0.05


def test_send_within_a_time_of_its_own(pair):
    fill(pair[0])
    pair[0].settimeout(HANG)
    with pytest.raises(stdlib.timeout):
        pair[0].send(b"x", 0, 0.01)
    with pytest.raises(BlockingIOError):
        pair[0].send(b"x", timeout=0)
    pair[0].settimeout(0)
    sending = grove.spawn(pair[0].send, b"x", timeout=None)
    grove.sleep(0)
    assert not sending.ready()
    while not sending.ready():
        pair[1].recv(65536)
        grove.sleep(0)
    assert sending.get() == 1


def test_watchers_of_a_socket(pair):
    socket.wait(pair[0]._write_event, HANG)
    reader = pair[0]._read_event
    with pytest.raises(stdlib.timeout):
        socket.wait(reader, 0.01)
    waiting = grove.spawn(socket.wait, reader)
    grove.sleep(0)
    socket.cancel_wait(reader)
    with pytest.raises(OSError) as caught:
        waiting.get(timeout=HANG)
    assert caught.value.errno == errno.EBADF


def test_zero_timeout(pair):
    pair[0].setblocking(False)
    for call in (
        lambda: pair[0].recv(1),
        lambda: pair[0].recv_into(bytearray(1)),
        lambda: pair[0].recvfrom(1),
        lambda: pair[0].recvmsg(1),
    ):
        with pytest.raises(BlockingIOError):
            call()


@pytest.mark.parametrize(
    "receive",
    [
        lambda sock, flags: sock.recv(1, flags),
        lambda sock, flags: sock.recv_into(bytearray(1), 0, flags),
        lambda sock, flags: sock.recvfrom(1, flags),
        lambda sock, flags: sock.recvfrom_into(bytearray(1), 0, flags),
        lambda sock, flags: sock.recvmsg(1, 0, flags),
        lambda sock, flags: sock.recvmsg_into([bytearray(1)], 0, flags),
    ],
)
def test_receiving_does_not_wait_by_its_flags(pair, receive):
    with pytest.raises(BlockingIOError):
        receive(pair[0], stdlib.MSG_DONTWAIT)
    pair[0].settimeout(0.01)  # with a time-out the flag changes nothing
    with pytest.raises(stdlib.timeout):
        receive(pair[0], stdlib.MSG_DONTWAIT)


@pytest.mark.parametrize(
    "send",
    [
        lambda sock, flags: sock.send(b"x", flags),
        lambda sock, flags: sock.sendmsg([b"x"], [], flags),
    ],
)
def test_sending_does_not_wait_by_its_flags(pair, send):
    fill(pair[0])
    pair[0].settimeout(None)
    with pytest.raises(BlockingIOError):
        send(pair[0], stdlib.MSG_DONTWAIT)
    pair[0].settimeout(0.01)
    with pytest.raises(stdlib.timeout):
        send(pair[0], stdlib.MSG_DONTWAIT)


def test_sending_to_an_address_does_not_wait_by_its_flags(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(stdlib.AF_UNIX, stdlib.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        with socket.socket(stdlib.AF_UNIX, stdlib.SOCK_DGRAM) as sock:
            with pytest.raises(BlockingIOError):
                while True:
                    sock.sendto(b"x", stdlib.MSG_DONTWAIT, path)


def test_send_waits_for_room(pair):
    a, b = pair
    fill(a)
    sender = grove.spawn(a.send, b"y")
    grove.sleep(0.01)
    assert not sender.ready()
    while b.recv(1 << 20)[-1:] != b"y":
        pass
    assert sender.get(timeout=60) == 1


def test_gevent_timeout_around_it(pair):
    with pytest.raises(grove.Timeout), grove.Timeout(0.01):
        pair[0].recv(1)
    pair[1].send(b"x")
    assert pair[0].recv(1) == b"x"


def test_kill_while_it_waits(pair):
    reader = grove.spawn(pair[0].recv, 1)
    grove.sleep(0)
    reader.kill()
    assert isinstance(reader.value, grove.GreenletExit)
    pair[1].send(b"x")
    assert pair[0].recv(1) == b"x"


@pytest.mark.parametrize("wait", ["recv", "recvfrom", "send"])
def test_close_wakes_who_waits(pair, wait):
    a = pair[0]
    if wait == "send":
        fill(a)
    waiter = grove.spawn(getattr(a, wait), b"x" if wait == "send" else 1)
    grove.sleep(0.01)
    a.close()
    with pytest.raises(OSError) as caught:
        waiter.get(timeout=60)
    assert caught.value.errno == errno.EBADF


def test_number_of_a_closed_socket_comes_back():
    # Closed behind our back: the kernel forgets what the loop registered.
    a, b = socket.socketpair()
    reader = grove.spawn(a.recv, 1)
    grove.sleep(0)
    b.send(b"x")
    reader.get(timeout=60)
    number = a.fileno()
    os.close(a.detach())
    b.close()
    a, b = socket.socketpair()
    assert number in (a.fileno(), b.fileno())
    for one, other in ((a, b), (b, a)):
        reader = grove.spawn(one.recv, 1)
        grove.sleep(0)
        other.send(b"x")
        assert reader.get(timeout=60) == b"x"
    a.close()
    b.close()


def test_shutdown_wakes_who_reads(pair):
    reader = grove.spawn(pair[0].recv, 1)
    grove.sleep(0)
    pair[0].shutdown(stdlib.SHUT_RD)
    assert reader.get(timeout=60) == b""


def test_waiting_in_the_hub_is_refused(pair):
    from grove.exceptions import BlockingSwitchOutError

    raised = []
    poll = select.poll()
    poll.register(pair[0], select.POLLIN)

    def callback():
        for call in (
            lambda: pair[0].recv(1),
            lambda: pair[0].recvfrom(1),
            lambda: socket.wait_read(pair[0].fileno()),
            lambda: socket.wait_read(pair[0].fileno(), HANG),
            lambda: select.select([pair[0]], [], []),
            poll.poll,
        ):
            try:
                call()
            except BaseException as error:
                raised.append(type(error))
        raised.append(pair[1].send(b"x"))

    grove.get_hub().loop.run_callback(callback)
    grove.sleep(0.01)
    assert raised == [BlockingSwitchOutError] * 6 + [1]


# ---- connections -----------------------------------------------------------


def test_accept_and_connect(listener):
    server = grove.spawn(listener.accept)
    client = socket.create_connection(listener.getsockname(), timeout=60)
    peer, address = server.get(timeout=60)
    assert type(peer) is socket.socket
    assert address == client.getsockname()
    peer.sendall(b"x")
    assert client.recv(1) == b"x"
    peer.close()
    client.close()


def test_accept_times_out(listener):
    listener.settimeout(0.02)
    with pytest.raises(socket.timeout):
        listener.accept()


def test_refused():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    with socket.socket() as sock:
        assert sock.connect_ex(address) == errno.ECONNREFUSED


def test_connect_of_a_non_blocking_socket(listener):
    with socket.socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)


def test_connect_waits_for_a_full_unix_backlog(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(stdlib.AF_UNIX) as server:
        server.bind(path)
        server.listen(0)
        clients = [socket.socket(stdlib.AF_UNIX) for _ in range(3)]
        connects = [grove.spawn(c.connect, path) for c in clients]
        grove.sleep(0.01)
        assert not all(c.ready() for c in connects)
        clients[2].settimeout(0.01)
        for _ in clients:
            server.accept()[0].close()
        grove.joinall(connects, timeout=60, raise_error=True)
        for client in clients:
            client.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
@pytest.mark.parametrize("port", [-1, 1 << 16])
def test_ports_out_of_range(host, port):
    with socket.socket() as sock:
        for use in (sock.bind, sock.connect, sock.connect_ex):
            with pytest.raises(OverflowError):
                use((host, port))
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(OverflowError):
            sock.sendto(b"x", (host, port))


@pytest.mark.parametrize(
    "address", [("localhost",), ("localhost", "80"), ("localhost", 1, 2), "localhost"]
)
def test_addresses_of_another_shape(address):
    with socket.socket() as sock, pytest.raises(TypeError):
        sock.bind(address)


def test_create_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert type(server) is socket.socket


# ---- names -----------------------------------------------------------------


def test_numeric_addresses_need_no_thread():
    before = _thread._count()
    assert socket.getaddrinfo("127.0.0.1", 80) == stdlib.getaddrinfo("127.0.0.1", 80)
    assert socket.getaddrinfo("::1", 80)[0][4][0] == "::1"
    assert socket.getaddrinfo(None, 80)
    assert socket.gethostbyname("127.0.0.1") == "127.0.0.1"
    assert socket.getnameinfo(("127.0.0.1", 80), stdlib.NI_NUMERICHOST)
    assert _thread._count() == before


def test_names_are_looked_up_meanwhile(monkeypatch):
    from grove.threads.offload import run_in_thread

    order, meanwhile = [], threading.Event()
    look_up = grove.spawn(run_in_thread, lambda: (meanwhile.wait(HANG), order.append(2)))
    grove.spawn(lambda: (order.append(1), meanwhile.set()))
    look_up.get(timeout=60)
    assert order == [1, 2]
    # No address as sockets take it, and known without /etc/hosts.
    assert socket.gethostbyname("127.1") == "127.0.0.1"
    assert socket.getaddrinfo("127.1", 80) == stdlib.getaddrinfo("127.1", 80)


def test_unknown_name():
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("no-such-name.invalid", 80)


def test_look_up_given_up():
    from grove.threads.offload import run_in_thread

    given_up, answered = threading.Event(), threading.Event()
    with pytest.raises(grove.Timeout), grove.Timeout(0.01):
        run_in_thread(lambda: (given_up.wait(HANG), answered.set()))
    # Its late answer disturbs nobody.
    a, b = socket.socketpair()
    given_up.set()
    assert answered.wait(HANG)
    grove.sleep(0.02)
    a.settimeout(0.01)
    with pytest.raises(socket.timeout):
        a.recv(1)
    a.close()
    b.close()


def test_more_look_ups_than_threads():
    from grove.threads.offload import MAX_THREADS, run_in_thread

    count = 3 * MAX_THREADS
    jobs = [grove.spawn(run_in_thread, lambda i=i: i) for i in range(count)]
    grove.joinall(jobs, timeout=60, raise_error=True)
    assert [job.value for job in jobs] == list(range(count))


# ---- waiting for any descriptor --------------------------------------------


def test_wait_read_and_write():
    read, write = os.pipe()
    socket.wait_write(write)
    with pytest.raises(socket.timeout):
        socket.wait_read(read, timeout=0.01)
    with pytest.raises(KeyError):
        socket.wait_read(read, timeout=0.01, timeout_exc=KeyError("x"))
    waiter = grove.spawn(socket.wait_read, read)
    grove.sleep(0)
    os.write(write, b"x")
    assert waiter.get(timeout=60) is None
    # Ready all along, and told again and again.
    socket.wait_read(read, timeout=60)
    socket.wait_readwrite(write, timeout=60)
    os.read(read, 1)
    assert socket.wait_read(read, 0.001, False) is None
    with pytest.raises(grove.Timeout, match="0.001 seconds"):
        socket.wait_read(read, 0.001, None)
    with pytest.raises(socket.timeout):
        socket.wait_read(read, 0.001, socket.timeout_default)
    with pytest.raises(TypeError):
        socket.wait_read(read, "1")
    os.close(read)
    os.close(write)
    with pytest.raises(OSError):
        socket.wait_read(read, timeout=60)
    with pytest.raises(ValueError):
        socket.wait_read(-1)


def test_wait_for_a_number_that_came_back():
    for _ in range(3):
        read, write = os.pipe()
        waiter = grove.spawn(socket.wait_read, read, timeout=60)
        grove.sleep(0)
        os.write(write, b"x")
        waiter.get(timeout=60)
        os.close(read)
        os.close(write)


def test_closed_while_waited_for_and_its_number_taken():
    a, b = socket.socketpair()
    number = a.fileno()
    waiter = grove.spawn(socket.wait_read, number, timeout=60)
    grove.sleep(0)
    a.close()
    other = socket.socket()
    assert other.fileno() == number
    with pytest.raises(OSError) as caught:
        waiter.get(timeout=60)
    assert caught.value.errno == errno.EBADF
    other.close()
    b.close()


def test_wait_for_a_watcher(pair):
    io_watcher = grove.get_hub().loop.io(pair[0].fileno(), 1)
    grove.spawn_later(0.01, pair[1].send, b"x")
    socket.wait(io_watcher, timeout=60)
    pair[0].recv(1)
    with pytest.raises(socket.timeout):
        socket.wait(io_watcher, timeout=0.01)
    waiter = grove.spawn(socket.wait, io_watcher)
    grove.sleep(0)
    socket.cancel_wait(io_watcher)
    with pytest.raises(socket.cancel_wait_ex) as caught:
        waiter.get(timeout=60)
    assert caught.value.errno == errno.EBADF
    socket.cancel_wait(None)


@pytest.mark.parametrize(
    "wait",
    [
        lambda sock: sock.recv(1),
        lambda sock: sock.recvmsg(1),
        lambda sock: socket.wait_read(sock.fileno()),
        lambda sock: fill(sock) or sock.send(b"x"),
        lambda sock: sock.sendall(b"x" * 10_000_000),
    ],
    ids=["recv", "recvmsg", "wait_read", "send", "sendall"],
)
def test_who_waits_for_a_closed_socket_catches_cancel_wait_ex(pair, wait):
    waiter = grove.spawn(wait, pair[0])
    grove.sleep(0)
    pair[0].close()
    with pytest.raises(socket.cancel_wait_ex) as caught:
        waiter.get(timeout=60)
    assert caught.value.errno == errno.EBADF
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


def test_two_wait_for_a_watcher(pair):
    io_watcher = grove.get_hub().loop.io(pair[0].fileno(), 1)
    first = grove.spawn(socket.wait, io_watcher)
    grove.sleep(0)
    with pytest.raises(ConcurrentObjectUseError):
        socket.wait(io_watcher, timeout=60)
    pair[1].send(b"x")
    first.get(timeout=60)


# ---- ref: whether a wait keeps the loop running -----------------------------


def recv_into(sock):
    return sock.recv_into(bytearray(1))


def recvfrom(sock):
    return sock.recvfrom(1)


def read_file(sock):
    with sock.makefile("rb") as file:
        return file.read(1)


def await_both(sock):
    """Until there is either; it has no room, and nothing comes."""
    fill(sock)
    socket.wait_readwrite(sock.fileno())


def send_all(sock):
    sock.sendall(b"x" * 100_000_000)


WAITS = {
    "recv": lambda sock: sock.recv(1),
    "recv, long": lambda sock: sock.recv(100_000),
    "recv_into": recv_into,
    "recvfrom": recvfrom,
    "makefile": read_file,
    "sendall": send_all,
    "wait_read": lambda sock: socket.wait_read(sock.fileno()),
    "wait_readwrite": await_both,
    "watcher": lambda sock: socket.wait(sock._read_event),
}


@pytest.fixture(params=WAITS)
def waits(request):
    """A function that waits for a socket for ever."""
    return WAITS[request.param]


def test_without_ref_no_wait_keeps_the_loop(pair, waits):
    assert pair[0].ref is True
    pair[0].ref = False
    assert pair[0].ref is False
    waiter = grove.spawn(waits, pair[0])
    assert grove.get_hub().join(timeout=HANG) is True
    assert waiter and not waiter.ready()
    waiter.kill()


def test_with_ref_again_a_wait_keeps_the_loop(pair, waits):
    pair[0].ref = False
    pair[0].ref = True
    waiter = grove.spawn(waits, pair[0])
    assert grove.get_hub().join(timeout=0.01) is False
    waiter.kill()


def test_what_waits_without_ref_goes_on_when_it_can(pair):
    pair[0].ref = False
    waiter = grove.spawn(pair[0].recv, 1)
    grove.sleep(0)
    pair[1].sendall(b"x")
    assert waiter.get(timeout=HANG) == b"x"
    assert grove.get_hub().join(timeout=HANG) is True


def test_one_wait_without_ref_leaves_others_theirs(pair):
    pair[0].ref = False
    waiters = [grove.spawn(sock.recv, 1) for sock in pair]
    assert grove.get_hub().join(timeout=0.01) is False
    grove.killall(waiters)


def test_a_timeout_keeps_the_loop_without_ref(pair):
    pair[0].ref = False
    pair[0].settimeout(0.01)
    waiter = grove.spawn(pair[0].recv, 1)
    assert grove.get_hub().join(timeout=HANG) is True
    assert isinstance(waiter.exception, TimeoutError)


def test_main_alone_without_ref_would_wait_for_ever(pair):
    pair[0].ref = False
    with pytest.raises(grove.hub.LoopExit):
        pair[0].recv(1)


def test_ref_ends_with_the_descriptor(pair):
    pair[0].ref = False
    number = pair[0].fileno()
    pair[0].close()
    with pytest.raises(OSError) as raised:
        pair[0].ref = False
    assert raised.value.errno == errno.EBADF
    os.dup2(pair[1].fileno(), number)
    with socket.socket(fileno=number) as another:
        assert another.ref is True


def test_ref_of_a_high_descriptor(pair):
    """One beyond all that there are marks for."""
    number = fcntl.fcntl(pair[0].fileno(), fcntl.F_DUPFD_CLOEXEC, 700)
    with socket.socket(fileno=number) as high:
        high.ref = False
        assert (high.ref, pair[0].ref) == (False, True)
        waiter = grove.spawn(high.recv, 1)
        assert grove.get_hub().join(timeout=HANG) is True
        waiter.kill()


# ---- datagrams longer than what is asked for ---------------------------------


@pytest.fixture(params=[stdlib.AF_UNIX, stdlib.AF_INET])
def datagrams(request):
    """Two sockets; what the second sends the first gets."""
    if request.param == stdlib.AF_UNIX:
        ours, theirs = socket.socketpair(stdlib.AF_UNIX, stdlib.SOCK_DGRAM)
    else:
        ours = socket.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM)
        ours.bind(("127.0.0.1", 0))
        theirs = socket.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM)
        theirs.connect(ours.getsockname())
    with ours, theirs:
        ours.settimeout(HANG)
        yield ours, theirs


TRUNC = stdlib.MSG_TRUNC


@pytest.mark.parametrize("size", [1, 3, 100, 9000])
@pytest.mark.parametrize("method", ["recv", "recvfrom"])
def test_trunc_tells_the_length_of_a_datagram(datagrams, method, size):
    """In zeros, where the standard class shows memory of whatever was there."""
    ours, theirs = datagrams
    theirs.send(b"x" * 10_000)
    for flags in (TRUNC | stdlib.MSG_PEEK, TRUNC):
        got = getattr(ours, method)(size, flags)
        data = got if method == "recv" else got[0]
        assert data == b"x" * size + bytes(10_000 - size)


def test_trunc_waits(datagrams):
    ours, theirs = datagrams
    reader = grove.spawn(ours.recv, 2, TRUNC)
    grove.sleep(0)
    theirs.send(b"abc")
    assert reader.get(timeout=HANG) == b"ab\0"


def test_trunc_of_a_buffer(datagrams):
    ours, theirs = datagrams
    buffer = bytearray(b"-" * 6)
    for method in (ours.recv_into, lambda *args: ours.recvfrom_into(*args)[0]):
        buffer[:] = b"-" * 6
        theirs.send(b"x" * 100)
        assert method(buffer, 4, TRUNC) == 100 and buffer == b"xxxx--"
        theirs.send(b"x" * 100)
        assert method(buffer, 0, TRUNC) == 100 and buffer == b"xxxxxx"


def test_trunc_of_a_stream_shows_nothing():
    """TCP drops what there is; other streams read it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        with client, peer:
            peer.sendall(b"x" * 100)
            assert client.recv(100, TRUNC) == bytes(100)


def test_nothing_is_there_at_once(datagrams):
    ours, theirs = datagrams
    theirs.send(b"x")
    assert ours.recv(0) == ours.recv(0, TRUNC) == b""
    assert ours.recv_into(bytearray()) == 0
    assert ours.recv(10) == b"x"
    assert ours.recv(0) == b""  # nothing has come, and it does not wait
