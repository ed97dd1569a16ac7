"""What cffi calls lets others run while it waits in libc: functions that it has looked
up, and those that an extension of its making calls."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import grove
from awaiting import HANG
from built_extensions import build, load
from patched_libc import patched  # noqa: F401: a fixture

cffi = pytest.importorskip(
    "cffi", reason="this interpreter has no cffi; Debian's has it by python3-cffi"
)

FUNCTIONS = """
    ssize_t recv(int fd, void *buf, size_t len, int flags);
    ssize_t read(int fd, void *buf, size_t len);
    int usleep(unsigned us);
"""

CALLER = """
    ssize_t recv_twice(int fd, char *buf, ssize_t (*between)(ssize_t));
"""

SOURCE = """
#include <sys/socket.h>
#include <unistd.h>

static ssize_t recv_twice(int fd, char *buf, ssize_t (*between)(ssize_t))
{
    ssize_t n = between(recv(fd, buf, 4, 0));
    return n + recv(fd, buf + 4, 4, 0);
}
"""


def looked_up(folder: Path):
    ffi = cffi.FFI()
    ffi.cdef(FUNCTIONS)
    return ffi, ffi.dlopen(None)


def compiled(folder: Path):
    ffi = cffi.FFI()
    ffi.cdef(FUNCTIONS + CALLER)
    ffi.set_source("called_by_cffi", SOURCE)
    source = folder / "called_by_cffi.c"
    ffi.emit_c_code(str(source))
    module = load(build(source, folder))
    return module.ffi, module.lib


@pytest.fixture(params=[looked_up, compiled])
def library(request: pytest.FixtureRequest, tmp_path: Path):
    return request.param(tmp_path)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    with a, b:
        yield a, b


def test_waits(library, sockets):
    ffi, lib = library
    a, b = sockets
    room = ffi.new("char[]", 8)
    for call in (lambda: lib.recv(a.fileno(), room, 4, 0), lambda: lib.read(a.fileno(), room, 4)):
        g = grove.spawn(call)
        grove.sleep(0)
        assert not g.ready()
        b.send(b"word")
        assert g.get(timeout=HANG) == 4
        assert ffi.string(room) == b"word"


def test_sleeps(library):
    _, lib = library
    order = []

    def run(milliseconds: int) -> None:
        order.append(lib.usleep(milliseconds * 1000))
        order.append(milliseconds)

    grove.joinall([grove.spawn(run, n) for n in (300, 200, 100)], timeout=HANG)
    assert order == [0, 100, 0, 200, 0, 300]


def test_errno_is_the_calls_own(library, sockets):
    ffi, lib = library
    a, b = sockets
    waits = grove.spawn(lambda: (lib.recv(a.fileno(), ffi.new("char[]", 4), 4, 0), ffi.errno))
    grove.sleep(0)
    assert lib.recv(-1, ffi.NULL, 0, 0) == -1
    assert os.strerror(ffi.errno) == "Bad file descriptor"
    ffi.errno = 0
    b.send(b"word")
    assert waits.get(timeout=HANG)[0] == 4


def test_a_callback_between_two_waits(tmp_path, sockets):
    """Python in C in a greenlet: the callback waits as well."""
    ffi, lib = compiled(tmp_path)
    a, b = sockets
    room = ffi.new("char[]", 9)

    @ffi.callback("ssize_t(ssize_t)")
    def between(n: int) -> int:
        grove.sleep(0.01)
        return 10 * n

    g = grove.spawn(lambda: lib.recv_twice(a.fileno(), room, between))
    for word in (b"word", b"more"):
        grove.sleep(0)
        assert not g.ready()
        b.send(word)
    assert g.get(timeout=HANG) == 44
    assert ffi.string(room) == b"wordmore"
