"""Timeouts and kills reach a greenlet that waits in C code."""

import ctypes
import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import grove
from awaiting import HANG, until
from built_extensions import HERE, build, load
from grove import GreenletExit, Timeout
from patched_libc import libc, patched  # noqa: F401: fixtures


@pytest.fixture
def fd() -> Iterator[int]:
    """Of a socket that nothing comes to."""
    a, b = socket.socketpair()
    with a, b:
        yield a.fileno()


def waiting(function, *args) -> grove.Greenlet:
    """A greenlet that waits in it."""
    g = grove.spawn(function, *args)
    grove.sleep(0)
    assert not g.ready()
    return g


def receive(libc: ctypes.CDLL, fd: int) -> str:
    """What a recv has come to."""
    n = libc.recv(fd, ctypes.create_string_buffer(1), 1, 0)
    return errno.errorcode[ctypes.get_errno()] if n < 0 else str(n)


# ---- a kill ---------------------------------------------------------------------------


def test_kill(libc, fd):
    g = waiting(receive, libc, fd)
    g.kill(timeout=HANG)
    assert isinstance(g.value, GreenletExit) and g.exception is None


def test_an_exception_comes_once_and_is_the_one_that_was_thrown(libc, fd):
    mine = ValueError("mine")
    seen = []

    def run() -> None:
        try:
            libc.recv(fd, ctypes.create_string_buffer(1), 1, 0)
        except ValueError as error:
            seen.append(error)
        grove.sleep(0)
        for _ in range(1000):
            pass
        seen.append("no more")

    g = waiting(run)
    g.kill(mine, timeout=HANG)
    assert seen == [mine, "no more"]
    assert seen[0].__traceback__.tb_frame.f_code is run.__code__


def test_kill_of_a_c_function_alone(fd):
    """There is no bytecode between the call and the end of the greenlet."""
    g = waiting(time.sleep, 100)
    g.kill(timeout=HANG)
    assert isinstance(g.value, GreenletExit)
    library = ctypes.CDLL(None)
    g = waiting(library.recv, fd, None, 0, 0)
    g.kill(timeout=HANG)
    assert isinstance(g.value, GreenletExit)
    grove.sleep(0)  # and nobody else is hit


def test_kill_of_a_raw_greenlet(libc, fd):
    ended = []

    def run() -> None:
        try:
            receive(libc, fd)
        except KeyError as error:
            ended.append(repr(error))

    g = grove.spawn_raw(run)
    grove.sleep(0)
    grove.get_hub().loop.run_callback(g.throw, KeyError("mine"))
    until(lambda: ended)
    assert ended == ["KeyError('mine')"]
    until(lambda: g.dead)


def test_code_that_goes_on_is_refused(tmp_path, fd):
    """EINTR once, then ECANCELED; what need not wait goes well. When the code is
    back in Python it is over."""
    extension = load(build(HERE / "waits_in_c.c", tmp_path))
    errors = bytearray(4)
    g = waiting(extension.recv_times, fd, errors)
    g.kill(timeout=HANG)
    assert list(errors) == [errno.EINTR] + 3 * [errno.ECANCELED]
    a, b = socket.socketpair()
    with a, b:
        g = waiting(extension.recv_times, a.fileno(), errors)
        grove.spawn(b.send, b"xy")
        grove.spawn_later(0, g.kill)
        g.join(HANG)
        assert list(errors[:2]) == [0, 0] and errno.ECANCELED in errors


def test_threads_wait_on():
    """A kill in one thread's hub is of no concern to another's."""
    seen = []

    def run() -> None:
        g = grove.spawn(time.sleep, 100)
        grove.sleep(0)
        g.kill(timeout=HANG)
        seen.append(repr(g.value))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    run()
    for thread in threads:
        thread.join(HANG)
    assert seen == ["GreenletExit()"] * 3


def test_killall_of_many(libc, fd):
    many = [waiting(receive, libc, fd) for _ in range(50)]
    grove.killall(many, timeout=HANG)
    assert all(isinstance(g.value, GreenletExit) for g in many)


# ---- a Timeout ------------------------------------------------------------------------------


def test_a_timeouts_block(libc, fd):
    with pytest.raises(Timeout) as raised:
        with Timeout(0.01) as mine:
            receive(libc, fd)
    assert raised.value is mine


def test_a_silent_timeout(libc, fd):
    with Timeout(0.01, False):
        receive(libc, fd)
        pytest.fail("it was not ended")


def test_a_timeout_that_was_started(libc, fd):
    mine = Timeout.start_new(0.01)
    try:
        receive(libc, fd)
    except Timeout as error:
        assert error is mine
    else:
        pytest.fail("it was not ended")


def test_with_timeout():
    assert grove.with_timeout(0.01, time.sleep, 100, timeout_value="late") == "late"
    a, b = socket.socketpair()
    with a, b, pytest.raises(Timeout):
        grove.with_timeout(0.01, a.recv, 1)


@pytest.mark.skipif(
    sys.version_info >= (3, 15),
    reason="3.15 raises what waits without a context; older interpreters run this",
)
def test_the_standard_librarys_own_error_is_its_context():
    """socket.recv answers a call that was ended twice by an OSError."""
    a, b = socket.socketpair()
    with a, b, pytest.raises(Timeout) as raised:
        with Timeout(0.01):
            a.recv(1)
    assert raised.value.__context__.errno == errno.ECANCELED


def test_a_handler_of_the_libraries_error_is_left(fd):
    """Its first call of Python code is where the exception comes."""
    a, b = socket.socketpair()
    reached = []

    def clean_up() -> None:
        reached.append("cleaned up")

    def run() -> None:
        with a, b:
            try:
                a.recv(1)
            except OSError:
                clean_up()
                reached.append("went on")

    g = waiting(run)
    g.kill(timeout=HANG)
    assert isinstance(g.value, GreenletExit)
    assert "went on" not in reached


def test_what_waits_is_raised_by_the_next_wait():
    a, b = socket.socketpair()

    def run() -> str:
        with a, b:
            try:
                a.recv(1)
            except OSError:
                pass
            grove.sleep(HANG)
            return "slept"

    g = waiting(run)
    g.kill(timeout=HANG / 2)
    assert isinstance(g.value, GreenletExit)


def test_other_greenlets_are_not_hit():
    """The one that is to be ended lets others run before it is told."""
    ran = []

    def other() -> None:
        for _ in range(10):
            ran.append(1)
            grove.sleep(0)

    def run() -> None:
        time.sleep(100)

    others = [grove.spawn(other) for _ in range(5)]
    doomed = [waiting(run) for _ in range(5)]
    grove.killall(doomed, timeout=HANG)
    grove.joinall(others, timeout=HANG)
    assert len(ran) == 50
    assert [g.exception for g in others] == [None] * 5


def test_a_switch_in_from_elsewhere_is_refused(libc, fd):
    from grove.hub import getcurrent

    g = waiting(receive, libc, fd)
    main = getcurrent()
    grove.get_hub().loop.run_callback(g.switch, "a value")
    g.join(HANG)
    assert type(g.exception).__name__ == "InvalidSwitchError"
    assert main is getcurrent()


def test_the_process_stays_whole(libc, fd):
    """After as many ends in C as there are, everything else still works."""
    for _ in range(200):
        g = waiting(receive, libc, fd)
        g.kill(timeout=HANG)
    r, w = os.pipe()
    g = waiting(libc.read, r, ctypes.create_string_buffer(1), 1)
    os.write(w, b"x")
    assert g.get(timeout=HANG) == 1
    os.close(r)
    os.close(w)
