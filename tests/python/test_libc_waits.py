"""C code that knows nothing of greenlets lets others run while it waits in libc."""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import grove
from awaiting import HANG, until
from built_extensions import HERE, build, load
from grove.event import Event
from patched_libc import libc, patched  # noqa: F401: fixtures

@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two of the standard library, connected."""
    a, b = socket.socketpair()
    with a, b:
        yield a, b


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Those of a pipe."""
    r, w = os.pipe()
    yield r, w
    os.close(r)
    os.close(w)


# ---- calls that wait ------------------------------------------------------------


def assert_waits(call, act, result) -> None:
    """call() waits, and others run, until act() is called: then it returns result."""
    g = grove.spawn(call)
    grove.sleep(0)
    assert not g.ready()
    act()
    assert g.get(timeout=HANG) == result


def test_recv(libc, sockets):
    a, b = sockets
    room = ctypes.create_string_buffer(10)
    assert_waits(lambda: libc.recv(a.fileno(), room, 10, 0), lambda: b.send(b"word"), 4)
    assert room.value == b"word"


def test_recv_of_what_is_there_does_not_let_others_run(libc, sockets):
    a, b = sockets
    b.send(b"word")
    others = grove.spawn(lambda: None)
    assert libc.recv(a.fileno(), ctypes.create_string_buffer(10), 10, 0) == 4
    assert not others.ready()
    others.join()


def test_read(libc, ends):
    r, w = ends
    room = ctypes.create_string_buffer(10)
    assert_waits(lambda: libc.read(r, room, 10), lambda: os.write(w, b"word"), 4)


class Pollfd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


def test_poll(libc, ends):
    r, w = ends
    one = Pollfd(r, select.POLLIN, 0)
    assert_waits(lambda: libc.poll(ctypes.byref(one), 1, -1), lambda: os.write(w, b"x"), 1)
    assert one.revents == select.POLLIN


class Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


@pytest.mark.parametrize("name", ["usleep", "nanosleep"])
def test_sleeps(libc, name):
    def sleep(milliseconds: int) -> int:
        if name == "usleep":
            return libc.usleep(milliseconds * 1000)
        return libc.nanosleep(ctypes.byref(Timespec(0, milliseconds * 10**6)), None)

    order = []

    def run(milliseconds: int) -> None:
        order.append(sleep(milliseconds))
        order.append(milliseconds)

    grove.joinall([grove.spawn(run, n) for n in (300, 200, 100)], timeout=HANG)
    assert order == [0, 100, 0, 200, 0, 300]


def test_getaddrinfo(libc):
    answers = []

    def ask(name: bytes) -> None:
        result = ctypes.c_void_p()
        answers.append(libc.getaddrinfo(name, b"80", None, ctypes.byref(result)))
        libc.freeaddrinfo(result)

    grove.joinall([grove.spawn(ask, b"localhost") for _ in range(20)], timeout=HANG)
    assert answers == [0] * 20


def test_waitpid(libc):
    r, w = os.pipe()
    child = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", "read word; exit 3"],
        {},
        file_actions=[(os.POSIX_SPAWN_DUP2, r, 0), (os.POSIX_SPAWN_CLOSE, w)],
    )
    status = ctypes.c_int()
    assert_waits(
        lambda: libc.waitpid(child, ctypes.byref(status), 0), lambda: os.write(w, b"go\n"), child
    )
    assert os.waitstatus_to_exitcode(status.value) == 3
    os.close(r)
    os.close(w)


def test_errno_is_the_calls_own(libc, sockets):
    a, _ = sockets
    seen = []

    def fails_at_once() -> None:
        ctypes.set_errno(0)
        libc.recv(-1, None, 0, 0)
        seen.append(ctypes.get_errno())

    def waits() -> None:
        half_a_tenth = bytes(Timespec(0, 50_000))  # a timeval looks the same
        a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, half_a_tenth)
        ctypes.set_errno(0)
        assert libc.recv(a.fileno(), ctypes.create_string_buffer(1), 1, 0) == -1
        seen.append(ctypes.get_errno())

    grove.joinall([grove.spawn(waits), grove.spawn(fails_at_once)], timeout=HANG)
    assert [os.strerror(n) for n in seen] == [os.strerror(9), os.strerror(11)]


def test_many_wait_at_once(libc):
    pairs = [socket.socketpair() for _ in range(100)]
    came = []

    def wait(i: int) -> None:
        room = ctypes.create_string_buffer(4)
        assert libc.recv(pairs[i][0].fileno(), room, 4, 0) == 1
        came.append(i)

    waiting = [grove.spawn(wait, i) for i in range(100)]
    grove.sleep(0)
    for i in reversed(range(100)):
        pairs[i][1].send(b"x")
        until(lambda: len(came) == 100 - i)
    grove.joinall(waiting, timeout=HANG)
    assert came == list(reversed(range(100)))
    for a, b in pairs:
        a.close()
        b.close()


# ---- the standard library, unpatched ------------------------------------------------


def test_time_sleep():
    order = []

    def nap(seconds: float) -> None:
        time.sleep(seconds)
        order.append(seconds)

    grove.joinall([grove.spawn(nap, s) for s in (0.3, 0.2, 0.1)], timeout=HANG)
    assert order == [0.1, 0.2, 0.3]


def test_the_main_greenlet_waits_in_c_as_well():
    ran = []
    grove.spawn_later(0.01, ran.append, 1)
    time.sleep(0.1)
    assert ran == [1]


def test_socket_recv_and_accept(sockets):
    a, b = sockets
    assert_waits(lambda: a.recv(10), lambda: b.send(b"word"), b"word")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        g = grove.spawn(listener.accept)
        grove.sleep(0)
        with socket.create_connection(listener.getsockname()) as client:
            accepted, address = g.get(timeout=HANG)
            assert address == client.getsockname()
            accepted.close()


def test_a_sockets_timeout(sockets):
    a, b = sockets
    a.settimeout(0.05)
    g = grove.spawn(a.recv, 10)
    g.join(HANG)
    assert isinstance(g.exception, TimeoutError)
    a.settimeout(HANG)
    assert_waits(lambda: a.recv(10), lambda: b.send(b"word"), b"word")


def test_select_and_epoll(ends):
    r, w = ends
    assert_waits(lambda: select.select([r], [], []), lambda: os.write(w, b"x"), ([r], [], []))
    os.read(r, 1)
    with select.epoll() as epoll:
        epoll.register(r, select.EPOLLIN)
        assert_waits(epoll.poll, lambda: os.write(w, b"x"), [(r, select.EPOLLIN)])


def test_sqlite_waits_for_a_lock(tmp_path):
    sqlite3 = pytest.importorskip("sqlite3")
    path = tmp_path / "file"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("create table t (n)")
    holder.execute("begin immediate")

    def insert() -> int:
        with sqlite3.connect(path, timeout=HANG) as other:
            return other.execute("insert into t values (1)").rowcount

    assert_waits(insert, lambda: holder.execute("commit"), 1)
    holder.close()


def test_buffered_files_of_python_hold_up_the_thread(ends):
    """A greenlet that waited in one would hold a lock that belongs to the thread."""
    r, w = ends
    with open(r, "rb", closefd=False) as file:
        others = grove.spawn(lambda: None)
        writer = threading.Timer(0.05, os.write, (w, b"word\n"))
        writer.start()
        assert file.readline() == b"word\n"
        assert not others.ready()
        writer.join()
        others.join()


# ---- threads ---------------------------------------------------------------------------


def test_threads_without_a_hub_have_libcs_own_calls(libc, sockets):
    a, b = sockets
    came = []

    def wait() -> None:
        came.append(libc.recv(a.fileno(), ctypes.create_string_buffer(4), 4, 0))

    thread = threading.Thread(target=wait)
    holds_the_gil = isinstance(libc, ctypes.PyDLL)
    if holds_the_gil:
        b.send(b"word")  # or it would wait for ever
    thread.start()
    if not holds_the_gil:
        b.send(b"word")
    thread.join(HANG)
    assert came == [4]


def test_another_thread_computes_meanwhile(sockets):
    a, b = sockets
    stop = []
    counted = [0]

    def compute() -> None:
        while not stop:
            counted[0] += 1

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        came = []

        def echo() -> None:
            for _ in range(5):
                room = ctypes.create_string_buffer(4)
                n = ctypes.CDLL(None).recv(a.fileno(), room, 4, 0)
                came.append(room.raw[:n])

        g = grove.spawn(echo)
        for i in range(5):
            grove.sleep(0.001)
            b.send(b"%d" % i)
            until(lambda: len(came) == i + 1)
        g.get(timeout=HANG)
        before = counted[0]
        grove.spawn(time.sleep, 0.05).join()
        assert counted[0] > before
    finally:
        stop.append(1)
        thread.join()
    assert b"".join(came) == b"01234"


def test_greenlets_are_born_and_told_while_another_thread_computes():
    """Who is next is found out before the one that waits has been left."""
    library = ctypes.CDLL(None)
    stop = []

    def compute() -> None:
        while not stop:
            [str(n) for n in range(100)]

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        for _ in range(20):
            event = Event()
            told = [grove.spawn(event.wait, HANG) for _ in range(10)]
            naps = [grove.spawn(library.usleep, 1) for _ in range(10)]
            joins = [grove.spawn(g.join, HANG) for g in naps]
            grove.spawn(event.set)
            library.usleep(1)
            grove.joinall([*told, *naps, *joins], timeout=HANG)
            assert all(g.ready() for g in told + naps + joins)
    finally:
        stop.append(1)
        thread.join()


def test_two_threads_with_hubs():
    """Each lets its own greenlets run."""
    order: dict[int, list[float]] = {0: [], 1: []}

    def run(which: int) -> None:
        def nap(seconds: float) -> None:
            time.sleep(seconds)
            order[which].append(seconds)

        grove.joinall([grove.spawn(nap, s) for s in (0.3, 0.2, 0.1)])

    threads = [threading.Thread(target=run, args=(i,)) for i in order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    assert order == {0: [0.1, 0.2, 0.3], 1: [0.1, 0.2, 0.3]}


# ---- what stays whole ---------------------------------------------------------------------


def test_the_exception_that_is_handled_stays(libc, sockets):
    a, b = sockets

    def handles() -> str:
        try:
            raise KeyError("mine")
        except KeyError:
            libc.recv(a.fileno(), ctypes.create_string_buffer(4), 4, 0)
            return repr(sys.exc_info()[1])

    def other() -> None:
        try:
            raise ValueError("another's")
        except ValueError:
            grove.sleep(0)

    g = grove.spawn(handles)
    grove.sleep(0)
    grove.spawn(other).join()
    b.send(b"x")
    assert g.get(timeout=HANG) == "KeyError('mine')"


def test_what_c_code_has_in_flight_stays(tmp_path, sockets):
    """It waits between setting an exception and returning to Python."""
    extension = load(build(HERE / "waits_in_c.c", tmp_path))
    a, b = sockets
    g = grove.spawn(extension.recv_with_error, a.fileno())
    grove.sleep(0)
    with pytest.raises(ZeroDivisionError):
        grove.spawn(lambda: 1 // 0).get()
    b.send(b"x")
    g.join(HANG)
    assert repr(g.exception) == "ValueError('in flight')"


def test_callbacks_into_python(sockets):
    a, b = sockets

    # With the GIL, which the function that it is called by holds as well.
    @ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def compare(x, y):
        a.recv(4)
        return 1

    numbers = (ctypes.c_int * 2)(2, 1)
    g = grove.spawn(ctypes.PyDLL(None).qsort, numbers, 2, 4, compare)
    grove.sleep(0)
    assert not g.ready()
    b.send(b"word")
    g.get(timeout=HANG)
    assert list(numbers) == [1, 2]


def test_callbacks_of_code_that_has_let_go_of_the_gil():
    order = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def compare(x, y):
        order.append("compares")
        time.sleep(0.01)
        grove.sleep(0.01)
        return 1

    numbers = (ctypes.c_int * 2)(2, 1)
    g = grove.spawn(ctypes.CDLL(None).qsort, numbers, 2, 4, compare)
    until(lambda: order)
    order.append("others")
    g.get(timeout=HANG)
    assert order == ["compares", "others"] and list(numbers) == [1, 2]


def test_signals_in_a_sleep_of_the_main_greenlet():
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    began = time.monotonic()
    time.sleep(0.1)
    signal.signal(signal.SIGALRM, before)
    assert seen == ["alarm"]
    assert time.monotonic() - began >= 0.1


# ---- processes ------------------------------------------------------------------------------


def test_subprocess_closes_nothing_of_its_parent(sockets):
    a, b = sockets
    g = grove.spawn(a.recv, 4)
    grove.sleep(0)
    assert subprocess.run(["true"], close_fds=True).returncode == 0
    assert not g.ready()
    b.send(b"word")
    assert g.get(timeout=HANG) == b"word"


def test_fork_in_a_greenlet():
    """In the child C code waits as in the parent, once the interpreter is whole."""

    def in_child() -> int:
        order = []

        def nap(seconds: float) -> None:
            time.sleep(seconds)
            order.append(seconds)

        grove.joinall([grove.spawn(nap, s) for s in (0.2, 0.1)])
        return 7 if order == [0.1, 0.2] else 1

    def run() -> int:
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(in_child())
            finally:
                os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert grove.spawn(run).get(timeout=HANG) == 7


SUBINTERPRETER = """
import time
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
import grove
from grove import monkey
monkey.patch_libc()
inner = interpreters.create()
g = grove.spawn(interpreters.run_string, inner, "import time; time.sleep(0.05)")
ran = []
other = grove.spawn(ran.append, 1)
g.get()
other.join()
order = []
def nap(s):
    time.sleep(s)
    order.append(s)
grove.joinall([grove.spawn(nap, s) for s in (0.2, 0.1)])
print(order)
"""


def test_beside_a_sub_interpreter():
    command = [sys.executable, "-W", "ignore", "-c", SUBINTERPRETER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert (done.stdout, done.stderr) == ("[0.1, 0.2]\n", "")


def test_a_program_that_ends_while_greenlets_wait_in_c():
    program = (
        "import time, grove; from grove import monkey; monkey.patch_libc()\n"
        "g = grove.spawn(time.sleep, 100); grove.sleep(0); print('ends')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=HANG)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ends\n", b"")


def test_event_waits_and_c_waits_mix(sockets):
    a, b = sockets
    event = Event()
    order = []

    def waits_in_c() -> None:
        order.append(a.recv(4))
        event.set()

    def waits_for_it() -> None:
        event.wait(HANG)
        order.append("event")

    both = [grove.spawn(waits_in_c), grove.spawn(waits_for_it)]
    grove.sleep(0)
    b.send(b"word")
    grove.joinall(both, timeout=HANG)
    assert order == [b"word", "event"]
