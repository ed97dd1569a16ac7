"""grove.os: reading, writing and waiting for children beside other greenlets."""

import errno
import os as standard
import threading

import grove
import pytest
from grove import os, socket
from grove.event import Event


@pytest.fixture
def pipe():
    grove.get_hub()
    ends = standard.pipe()
    yield ends
    for fd in ends:
        try:
            standard.close(fd)
        except OSError:
            pass


def kinds_of_files():
    """(what is read from, what is written to) and what is written."""
    read, write = standard.pipe()
    yield read, write, b"word"
    number = standard.eventfd(0)
    yield number, standard.dup(number), (7).to_bytes(8, "little")
    master, slave = standard.openpty()
    yield slave, master, b"line\n"


@pytest.mark.parametrize("kind", range(3))
def test_read_waits(kind):
    grove.get_hub()
    read, write, data = list(kinds_of_files())[kind]
    reader = grove.spawn(os.read, read, 100)
    grove.sleep(0)
    assert not reader.ready()
    assert os.write(write, data) == len(data)
    assert reader.get(timeout=60) == data
    assert standard.get_blocking(read)


def test_write_waits_for_room_and_writes_all(pipe):
    read, write = pipe
    data = standard.urandom(1 << 20)
    writer = grove.spawn(os.write, write, data)
    grove.sleep(0)
    assert not writer.ready()
    got = b""
    while len(got) < len(data):
        got += os.read(read, 1 << 16)
    assert got == data and writer.get(timeout=60) == len(data)


def test_errors_are_those_of_the_standard_functions(pipe):
    read, write = pipe
    for ours, theirs, *arguments in (
        (os.read, standard.read, 10**6, 1),
        (os.read, standard.read, read, -1),
        (os.read, standard.read, write, 1),
        (os.read, standard.read, "x", 1),
        (os.read, standard.read, read),
        (os.read, standard.read, read, "x"),
        (os.write, standard.write, 10**6, b"x"),
        (os.write, standard.write, read, b"x"),
        (os.write, standard.write, write, "x"),
        (os.write, standard.write, write),
        (os.close, standard.close, 10**6),
        (os.close, standard.close, -1),
        (os.close, standard.close, "x"),
    ):
        with pytest.raises((OSError, TypeError)) as expected:
            theirs(*arguments)
        with pytest.raises(expected.type) as found:
            ours(*arguments)
        assert str(found.value) == str(expected.value)


def test_descriptors_that_are_not_to_block(pipe):
    read, write = pipe
    standard.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    standard.set_blocking(read, True)
    reader = grove.spawn(os.read, read, 1)
    grove.sleep(0)
    os.write(write, b"x")
    assert reader.get(timeout=60) == b"x"
    # What the loop has learnt of it is looked at again.
    standard.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)


@pytest.mark.skipif(
    not hasattr(standard, "readinto"), reason="os.readinto is there from Python 3.14 on"
)
def test_readinto(pipe):
    read, write = pipe
    buffer = bytearray(4)
    reader = grove.spawn(os.readinto, read, buffer)
    grove.sleep(0)
    os.write(write, b"abc")
    assert reader.get(timeout=60) == 3 and buffer == b"abc\0"
    for arguments in (10**6, buffer), (write, buffer), (read, b"x"), (read,), "xy":
        with pytest.raises((OSError, TypeError)) as expected:
            standard.readinto(*arguments)
        with pytest.raises(expected.type) as found:
            os.readinto(*arguments)
        assert str(found.value) == str(expected.value)
    standard.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        os.readinto(read, buffer)


def test_the_descriptor_of_a_socket():
    """That it is non-blocking is our doing: its time-out says whether to wait."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        number = ours.fileno()
        for _ in range(2):
            reader = grove.spawn(os.read, number, 1)
            grove.sleep(0)
            assert not reader.ready()
            os.write(theirs.fileno(), b"x")
            assert reader.get(timeout=60) == b"x"
            for timeout in 0, 60:
                ours.settimeout(timeout)
                with pytest.raises(BlockingIOError):
                    os.read(number, 1)
            ours.setblocking(True)


def test_close_wakes_who_waits(pipe):
    reader = grove.spawn(os.read, pipe[0], 1)
    grove.sleep(0)
    os.close(pipe[0])
    with pytest.raises(OSError) as caught:
        reader.get(timeout=60)
    assert caught.value.errno == errno.EBADF


def test_kill_of_a_reader(pipe):
    reader = grove.spawn(os.read, pipe[0], 1)
    grove.sleep(0)
    reader.kill()
    os.write(pipe[1], b"x")
    assert os.read(pipe[0], 1) == b"x"


def test_in_a_thread_without_a_hub_the_thread_waits(pipe):
    got = []

    def work():
        got.append(os.read(pipe[0], 1))
        got.append(grove.hub.get_hub_if_exists())

    thread = threading.Thread(target=work)
    thread.start()
    os.write(pipe[1], b"x")
    thread.join(60)
    assert got == [b"x", None]


def test_non_blocking_and_threads(pipe):
    read, write = pipe
    assert os.make_nonblocking(read) is True
    assert os.make_nonblocking(read) is None
    os.make_nonblocking(write)
    reader = grove.spawn(os.nb_read, read, 10)
    grove.sleep(0)
    assert os.nb_write(write, b"abc") == 3
    assert reader.get(timeout=60) == b"abc"
    assert os.tp_write(write, b"def") == 3
    assert os.tp_read(read, 10) == b"def"


def child(code, until=None):
    """A child that ends with code, when descriptor `until` has something."""
    pid = os.fork()
    if pid == 0:
        if until is not None:
            standard.read(until, 1)
        standard._exit(code)
    return pid


@pytest.mark.parametrize("how", ["waitpid", "any", "group", "wait", "waitid", "all"])
def test_waiting_for_a_child(pipe, how):
    pid = child(9, pipe[0])
    wait = {
        "waitpid": lambda: os.waitpid(pid, 0)[1] >> 8,
        "any": lambda: os.waitpid(-1, 0)[1] >> 8,
        "group": lambda: os.waitpid(0, 0)[1] >> 8,
        "wait": lambda: os.wait()[1] >> 8,
        "waitid": lambda: os.waitid(os.P_PID, pid, os.WEXITED).si_status,
        "all": lambda: os.waitid(os.P_ALL, 0, os.WEXITED).si_status,
    }[how]
    waiter = grove.spawn(wait)
    grove.sleep(0)
    assert not waiter.ready() and os.waitpid(pid, os.WNOHANG) == (0, 0)
    standard.write(pipe[1], b"x")
    assert waiter.get(timeout=60) == 9
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


def test_a_child_that_stops(pipe):
    pid = child(0, pipe[0])
    waiter = grove.spawn(os.waitpid, pid, os.WUNTRACED)
    standard.kill(pid, 19)
    status = waiter.get(timeout=60)[1]
    assert os.WIFSTOPPED(status)
    standard.kill(pid, 9)
    assert os.waitpid(pid, 0) == (pid, 9)


def test_fork_and_watch(pipe):
    told = Event()
    pid = os.fork_and_watch(lambda watcher: told.set())
    if pid == 0:
        standard.read(pipe[0], 1)
        standard._exit(3)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    standard.write(pipe[1], b"x")
    assert os.waitpid(pid, 0) == (pid, 3 << 8)
    assert told.wait(60)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


def test_forkpty_and_watch():
    pid, fd = os.forkpty_and_watch()
    if pid == 0:
        standard.write(1, b"from the child")
        standard.read(0, 1)
        standard._exit(0)
    assert os.read(fd, 100) == b"from the child"
    os.write(fd, b"\n")
    assert os.waitpid(pid, 0) == (pid, 0)
    standard.close(fd)


def test_two_hundred_forks_from_thirty_greenlets():
    def work(numbers):
        for number in numbers:
            assert os.waitpid(child(number), 0)[1] >> 8 == number
            grove.sleep(0)

    greenlets = [grove.spawn(work, range(i, 200, 30)) for i in range(30)]
    assert len(grove.joinall(greenlets, timeout=300, raise_error=True)) == 30
