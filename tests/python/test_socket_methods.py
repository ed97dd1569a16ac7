"""The compiled methods of grove.socket.socket: that they are, and what they look
at when they are called."""

import array
import copy
import dis
import errno
import gc
import inspect
import os
import pickle
import sys
import weakref

import grove
import grove.os
import grove.pool
import pytest
from awaiting import HANG
from grove import socket


@pytest.fixture
def datagrams():
    """Two sockets of UDP, and the first one's address."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b,
    ):
        a.bind(("127.0.0.1", 0))
        yield a, b, a.getsockname()


def frames_of(function, *args):
    """The Python functions that a call of one in C runs."""
    ran = []

    def profile(frame, event, arg):
        if event == "call":
            ran.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        function(*args)
    finally:
        sys.setprofile(None)
    return ran


# ---- what runs ----------------------------------------------------------------


def test_what_is_ready_runs_no_python_code(pair):
    a, b = pair
    buffer = bytearray(8)
    b.sendall(b"x" * 64)
    for call in (
        (a.recv, 1),
        (a.recv, 1, socket.MSG_PEEK),
        (a.recv, 1 << 20),
        (b.send, b"x" * 64),
        (a.recv_into, buffer),
        (a.recv_into, buffer, 2),
        (a.recvfrom, 1),
        (a.recvfrom_into, buffer, 1),
        (a.recvmsg, 1),
        (a.recvmsg_into, [buffer]),
        (b.sendall, b"x"),
        (b.sendmsg, [b"x"]),
    ):
        assert frames_of(*call) == [], call


def test_nor_do_datagrams_to_an_address_in_numbers(datagrams):
    a, b, address = datagrams
    assert frames_of(b.sendto, b"x", address) == []
    assert frames_of(b.sendto, b"x", 0, address) == []
    assert frames_of(a.recvfrom, 8) == []
    assert "_resolved" in frames_of(b.sendto, b"x", ("localhost", address[1]))


def test_nor_does_a_connection_that_has_come():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted = []
        assert frames_of(lambda: accepted.append(listener._accept())) == ["<lambda>"]
        os.close(accepted[0][0])
        client.close()


@pytest.mark.parametrize("timeout", [None, HANG, 0.0])
def test_whatever_the_timeout(pair, timeout):
    a, b = pair
    a.settimeout(timeout)
    assert frames_of(a.send, b"x") == []
    b.send(b"x")
    assert frames_of(a.recv, 1) == []


# ---- what they look like ------------------------------------------------------


@pytest.mark.parametrize(
    "method, signature",
    [
        ("recv", "(self, /, bufsize, flags=0)"),
        ("recv_into", "(self, /, buffer, nbytes=0, flags=0)"),
        ("recvfrom", "(self, /, bufsize, flags=0)"),
        ("recvfrom_into", "(self, /, buffer, nbytes=0, flags=0)"),
        ("recvmsg", "(self, /, bufsize, ancbufsize=0, flags=0)"),
        ("recvmsg_into", "(self, /, buffers, ancbufsize=0, flags=0)"),
        ("send", "(self, /, data, flags=0, timeout=Ellipsis)"),
        ("sendall", "(self, /, data, flags=0)"),
        ("sendto", "(self, data, /, *flags_and_address)"),
        ("sendmsg", "(self, /, buffers, ancdata=(), flags=0, address=None)"),
    ],
)
def test_signatures(method, signature):
    function = getattr(socket.socket, method)
    assert str(inspect.signature(function)) == signature
    assert inspect.isroutine(function) and function.__doc__
    assert function.__name__ == method
    assert getattr(socket.socket, method) is function


def test_arguments_by_name(pair, datagrams):
    a, b = pair
    buffer = bytearray(4)
    assert b.send(data=b"abcdefgh", flags=0, timeout=1) == 8
    assert a.recv(bufsize=1, flags=0) == b"a"
    assert a.recv_into(buffer=buffer, nbytes=1, flags=0) == 1
    assert a.recv_into(buffer, nbytes=None) == 4
    assert bytes(buffer) == b"cdef"
    assert a.recvfrom(bufsize=1, flags=0)[0] == b"g"
    assert a.recvmsg(bufsize=1, ancbufsize=0)[0] == b"h"
    b.sendall(data=b"ij")
    assert b.sendmsg(buffers=iter([b"k", b"l"]), ancdata=iter(())) == 2
    assert a.recvmsg_into(buffers=iter([buffer]))[0] == 4
    assert bytes(buffer) == b"ijkl"
    x, y, address = datagrams
    assert y.sendmsg([b"m"], address=address) == 1
    assert x.recvfrom_into(buffer=buffer, nbytes=1)[0] == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.recv(),
        lambda s: s.recv(1, 0, 0),
        lambda s: s.recv("1"),
        lambda s: s.recv(1, "0"),
        lambda s: s.recv(size=1),
        lambda s: s.recv_into(b"only to be read"),
        lambda s: s.recv_into(5),
        lambda s: s.recvfrom(None),
        lambda s: s.recvmsg_into(5),
        lambda s: s.send("text"),
        lambda s: s.send(b"x", "0"),
        lambda s: s.sendall(None),
        lambda s: s.sendto(b"x"),
        lambda s: s.sendto(b"x", 0, ("127.0.0.1", 1), 1),
        lambda s: s.sendmsg([None]),
    ],
)
def test_arguments_that_are_none(pair, call):
    with pytest.raises(TypeError):
        call(pair[0])


@pytest.mark.parametrize("size", [-1, -(1 << 40)])
def test_negative_sizes(pair, size):
    for call in (
        lambda: pair[0].recv(size),
        lambda: pair[0].recv_into(bytearray(4), size),
        lambda: pair[0].recvfrom(size),
    ):
        with pytest.raises(ValueError, match="negative buffersize"):
            call()


@pytest.mark.parametrize("size", [1 << 70, -(1 << 70)])
def test_sizes_that_no_memory_has(pair, size):
    with pytest.raises(OverflowError):
        pair[0].recv(size)


def test_buffers_of_any_kind(pair):
    a, b = pair
    numbers = array.array("i", [1, 2])
    for data in (b"ab", bytearray(b"ab"), memoryview(b"xab")[1:], numbers):
        assert b.send(data) == memoryview(data).nbytes
        b.sendall(data)
        got = a.recv(64)
        assert got == bytes(data) * 2
    there = array.array("i", [0, 0])
    b.send(numbers)
    assert a.recv_into(there) == 8 and there == numbers
    part = bytearray(6)
    b.send(b"ab")
    with memoryview(part) as view:
        assert a.recv_into(view[2:4]) == 2
    assert part == b"\0\0ab\0\0"


def test_a_buffer_is_let_go_of(pair):
    a, b = pair
    a.settimeout(0)
    buffer = bytearray(4)
    for call in (
        lambda: a.recv_into(buffer),
        lambda: a.recv_into(buffer, 5),
        lambda: a.recv_into(buffer, -1),
        lambda: a.send(buffer, 0, "no time-out"),
    ):
        with pytest.raises((BlockingIOError, ValueError, TypeError)):
            call()
    b.send(buffer)
    b.sendall(buffer)
    assert a.recv_into(buffer) == 4
    buffer.append(1)  # BufferError while somebody holds it


# ---- what they look at ----------------------------------------------------------


def test_without_its_constructor():
    sock = socket.socket.__new__(socket.socket)
    for call in lambda: sock.recv(1), lambda: sock.sendall(b""), sock._accept:
        with pytest.raises(AttributeError, match="timeout"):
            call()
    sock.timeout = None
    for call in lambda: sock.recv(1), lambda: sock.sendall(b""), sock._accept:
        with pytest.raises(AttributeError, match="_sock"):
            call()


def test_a_timeout_that_is_set(pair):
    a = pair[0]
    a.timeout = 0
    with pytest.raises(BlockingIOError):
        a.recv(1)
    a.timeout = 0.01
    with pytest.raises(TimeoutError):
        a.recvfrom(1)
    a.timeout = "soon"
    with pytest.raises(TypeError):
        a.recv(1)
    del a.timeout
    with pytest.raises(AttributeError):
        a.gettimeout()


def test_a_timeout_that_replaces_itself(pair):
    class Seconds:
        def __float__(self):
            pair[0].timeout = None
            return float(HANG)

    pair[1].send(b"x")
    pair[0].timeout = Seconds()
    assert pair[0].recv(1) == b"x"
    assert pair[0].timeout is None


def test_send_takes_the_default_for_its_own(pair):
    a = pair[0]
    a.settimeout(0)
    assert a.send(b"x", 0, socket.timeout_default) == 1
    assert a.send(b"x", timeout=None) == 1


def test_another_wrapped_socket(pair):
    """One that is no _socket.socket is asked by the names of its methods."""
    a, b = pair

    class Counted:
        def __init__(self, sock):
            self.sock, self.asked = sock, []

        def __getattr__(self, name):
            self.asked.append(name)
            return getattr(self.sock, name)

    a._sock = counted = Counted(a._sock)
    b.send(b"xy")
    assert a.recv(1) == b"x"
    assert a.recvfrom(1)[0] == b"y"
    assert counted.asked == ["fileno", "fileno", "recvfrom"]


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.recv(1),
        lambda s: s.recv_into(bytearray(1)),
        lambda s: s.recvfrom(1),
        lambda s: s.recvfrom_into(bytearray(1)),
        lambda s: s.recvmsg(1),
        lambda s: s.recvmsg_into([bytearray(1)]),
        lambda s: s.send(b"x"),
        lambda s: s.sendall(b"x"),
        lambda s: s.sendto(b"x", "/nowhere"),
        lambda s: s.sendmsg([b"x"]),
        lambda s: s._accept(),
    ],
)
def test_closed(pair, call):
    pair[0].close()
    with pytest.raises(OSError) as caught:
        call(pair[0])
    assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize(
    "call",
    [
        lambda sock, number: sock.recv(1),
        lambda sock, number: sock.recvfrom(1),
        lambda sock, number: sock.send(b""),
        lambda sock, number: grove.os.read(number, 1),
        lambda sock, number: socket.wait_read(number),
    ],
    ids=["recv", "recvfrom", "send", "os.read", "wait_read"],
)
def test_closed_while_others_have_their_turn(pair, call):
    """The number of the descriptor may be a stranger's when it is over."""
    a, b = pair
    number = a.fileno()
    b.sendall(b"x" * 100_000)
    strangers = []

    def take_its_number():
        a.close()
        strangers.extend(socket.socketpair())
        strangers[1].send(b"not for the reader")

    def read():
        grove.spawn(take_its_number)
        while not strangers:
            call(a, number)

    with pytest.raises(OSError) as caught:
        grove.spawn(read).get(timeout=HANG)
    assert caught.value.errno == errno.EBADF
    assert strangers[0].fileno() == number
    assert strangers[0].recv(64) == b"not for the reader"
    for sock in strangers:
        sock.close()


def test_a_subclass_with_one_method_of_its_own(pair):
    class Loud(socket.socket):
        def recv_into(self, buffer, nbytes=0, flags=0):
            n = super().recv_into(buffer, nbytes, flags)
            buffer[:n] = bytes(buffer[:n]).upper()
            return n

    a, b = pair
    loud = Loud(fileno=a.detach())
    loud.colour = "red"
    with loud, loud.makefile("rb") as file:
        b.sendall(b"a line\nrest")
        assert file.readline() == b"A LINE\n"
    assert loud.colour == "red"


class Derived(socket.socket):
    """Its instances have a __dict__, as those of SSLSocket."""


class DerivedGroup(grove.pool.Group):
    """Of a type that is compiled, too, and that no other test has instances of."""


@pytest.mark.skipif(
    sys.version_info[:2] == (3, 13),
    reason="3.13 has none in instances of a class whose base is compiled and has fields",
)
@pytest.mark.parametrize("make", [Derived, DerivedGroup])
def test_attributes_of_their_own_are_found_fast(make):
    """In the instance: not in a dict, which is made when somebody asks for it."""
    instance = make()
    instance.colour = "red"

    def colour():
        return instance.colour

    for _ in range(100):
        colour()
    made = {i.opname for i in dis.get_instructions(colour, adaptive=True)}
    assert "LOAD_ATTR_INSTANCE_VALUE" in made


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_is_not_pickled(pair, protocol):
    with pytest.raises(TypeError, match="cannot pickle 'socket' object"):
        pickle.dumps(pair[0], protocol)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_is_not_copied(pair, how):
    with pytest.raises(TypeError, match="cannot pickle 'socket' object"):
        how(pair[0])


def test_has_no_room_for_more(pair):
    with pytest.raises(AttributeError):
        pair[0].colour = "red"


def test_is_collected_with_what_refers_to_it():
    class Seconds(float):
        pass

    sock = socket.socket()
    sock.timeout = Seconds(1)
    sock.timeout.of = sock
    gone = weakref.ref(sock)
    raw = weakref.ref(sock._sock)
    sock._sock.close()
    del sock
    gc.collect()
    assert gone() is None and raw() is None
