"""A descriptor closed while greenlets wait for it, of this thread or another,
and its number taken at once by another file: nobody touches what is not his."""

import errno
import gc
import os
import select
import socket as stdlib
import threading
from collections.abc import Callable, Iterator

import grove
import pytest
from grove import _core, socket

LIMIT = 20


@pytest.fixture
def stranger() -> Iterator[tuple[stdlib.socket, stdlib.socket]]:
    """A connection that is to take a number, with four bytes to read."""
    a, b = stdlib.socketpair()
    b.send(b"mine")
    yield a, b
    a.close()
    b.close()


def expect_untouched(stranger: tuple[stdlib.socket, stdlib.socket]) -> None:
    """Nothing was taken of it, nothing given to it."""
    for end in stranger:
        end.setblocking(False)
    assert stranger[0].recv(8) == b"mine"
    with pytest.raises(BlockingIOError):
        stranger[1].recv(1)


class InThread:
    """A call in a greenlet of another thread, under way when this is made."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.outcome: object = None
        self.parked = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        assert self.parked.wait(LIMIT)

    def run(self) -> None:
        greenlet = grove.spawn(self.attempt)
        grove.spawn(self.parked.set)  # its turn is after the other's
        greenlet.join(LIMIT)

    def attempt(self) -> None:
        try:
            self.outcome = self.call()
        except OSError as error:
            self.outcome = error.errno

    def join(self) -> object:
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()
        return self.outcome


def full(sock: socket.socket) -> None:
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            sock.send(b"x" * 65536)
    sock.setblocking(True)


CALLS: dict[str, Callable[[socket.socket], object]] = {
    "recv": lambda s: s.recv(8),
    "recv_into": lambda s: s.recv_into(bytearray(8)),
    "recvfrom": lambda s: s.recvfrom(8),
    "recvmsg": lambda s: s.recvmsg(8),
    "send": lambda s: s.send(b"theirs"),
    "sendall": lambda s: s.sendall(b"theirs"),
    "sendmsg": lambda s: s.sendmsg([b"theirs"]),
    "wait_read": lambda s: socket.wait_read(s.fileno()),
}


@pytest.mark.parametrize("name", CALLS)
def test_closing_ends_the_calls_of_other_threads(name: str, stranger) -> None:
    a, b = socket.socketpair()
    if name.startswith("send"):
        full(a)
    number = a.fileno()
    other = InThread(lambda: CALLS[name](a))
    a.close()
    os.dup2(stranger[0].fileno(), number)
    assert other.join() == errno.EBADF
    expect_untouched(stranger)
    os.close(number)
    b.close()


@pytest.mark.parametrize("name", ["recv", "recv_into", "recvfrom", "recvmsg"])
def test_a_number_is_taken_in_the_turn_of_a_call(name: str, stranger) -> None:
    """A call that need not wait lets others run now and then before it begins."""
    a, b = socket.socketpair()
    number = a.fileno()
    b.sendall(b"x" * 8000)

    def take() -> None:
        a.close()
        os.dup2(stranger[0].fileno(), number)

    taker = grove.spawn(take)
    with pytest.raises(OSError) as raised:
        for _ in range(1000):
            CALLS[name](a)
    assert raised.value.errno == errno.EBADF
    expect_untouched(stranger)
    taker.get(timeout=LIMIT)
    os.close(number)
    b.close()


def test_accept_in_another_thread_ends(stranger) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    number = listener.fileno()
    other = InThread(listener.accept)
    listener.close()
    os.dup2(stranger[0].fileno(), number)
    assert other.join() == errno.EBADF
    expect_untouched(stranger)
    os.close(number)


def test_closing_fd_is_for_all_threads() -> None:
    r, w = os.pipe()
    other = InThread(lambda: socket.wait_read(r))
    assert grove.get_hub().loop.closing_fd(r) is False  # nobody here waited
    assert other.join() == errno.EBADF
    os.close(r)
    os.close(w)


def registered(sock: socket.socket) -> int:
    """Have the loop know sock; its number."""
    with pytest.raises(socket.timeout):
        sock.settimeout(0.001)
        sock.recv(1)
    return sock.fileno()


def lose_by_detach(sock: socket.socket) -> None:
    os.close(sock.detach())


def lose_by_collection(sock: socket.socket) -> None:
    sock._sock = None
    gc.collect()


def lose_by_the_raw_socket(sock: socket.socket) -> None:
    sock._sock.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "lose", [lose_by_detach, lose_by_collection, lose_by_the_raw_socket]
)
def test_a_pipe_takes_the_number(lose: Callable[[socket.socket], None]) -> None:
    """Nobody takes it for the socket any more, whichever way that ended."""
    a, b = socket.socketpair()
    number = registered(a)
    lose(a)
    r, w = os.pipe()
    if r != number:
        os.dup2(r, number)
        os.close(r)
    waiter = grove.spawn(socket.wait_read, number, 10)
    grove.sleep(0)
    os.write(w, b"x")
    waiter.get(timeout=10)
    assert select.select([number], [], [], 0)[0]
    os.close(number)
    os.close(w)
    b.close()


def test_a_detached_socket_is_looked_at_before_each_wait() -> None:
    a, b = socket.socketpair()
    number = registered(a)
    assert a.detach() == number
    again = socket.socket(fileno=number)
    b.send(b"x")
    assert again.recv(1) == b"x"
    again.close()
    b.close()


def test_a_view_does_not_disturb_who_waits() -> None:
    a, b = socket.socketpair()
    waiter = grove.spawn(a.recv, 1)
    grove.sleep(0)
    view = socket.socket(fileno=a.fileno())
    grove.sleep(0)
    b.send(b"x")
    assert waiter.get(timeout=10) == b"x"
    view.detach()
    a.close()
    b.close()


def test_numbers_must_be_numbers() -> None:
    for tell in _core.fd_opened, _core.fd_adopted, _core.fd_disowned, _core.fd_closed:
        assert tell(-1) is None
        with pytest.raises(TypeError):
            tell("3")
