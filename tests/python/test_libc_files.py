"""FILEs of C code that greenlets share: a greenlet has one for as long as a call lasts,
and others wait for it, whatever is thrown into them."""

import ctypes
import os
from collections.abc import Iterator

import pytest

import grove
from awaiting import HANG
from patched_libc import libc, patched  # noqa: F401: fixtures


class File:
    """A FILE at the end of a pipe."""

    def __init__(self, libc: ctypes.CDLL) -> None:
        self.libc = libc
        self.end, self.other = os.pipe()
        libc.fdopen.restype = libc.fgets.restype = ctypes.c_void_p
        self.file = ctypes.c_void_p(libc.fdopen(self.end, b"r"))

    def read_line(self) -> bytes | None:
        room = ctypes.create_string_buffer(32)
        return room.value if self.libc.fgets(room, len(room), self.file) else None

    def give(self, text: bytes) -> None:
        os.write(self.other, text)

    def close(self) -> None:
        os.close(self.other)
        self.libc.fclose(self.file)


@pytest.fixture
def file(libc) -> Iterator[File]:
    file = File(libc)
    yield file
    file.close()


def waiting(function, *args) -> grove.Greenlet:
    """A greenlet that waits in function."""
    g = grove.spawn(function, *args)
    grove.sleep(0)
    assert not g.ready()
    return g


def test_who_reads_lets_others_run(file):
    g = waiting(file.read_line)
    file.give(b"line\n")
    assert g.get(timeout=HANG) == b"line\n"


def test_readers_of_one_file_get_a_line_each(file):
    readers = [waiting(file.read_line) for _ in range(3)]
    file.give(b"one\ntwo\nthree\n")
    assert [g.get(timeout=HANG) for g in readers] == [b"one\n", b"two\n", b"three\n"]


def test_a_timeout_reaches_who_waits_for_the_file_once_it_is_free(file):
    reader = waiting(file.read_line)
    reached = []

    def late() -> bytes | None:
        with grove.Timeout(0.01):
            try:
                return file.read_line()
            except grove.Timeout:
                reached.append("timeout")
                raise

    g = waiting(late)
    grove.sleep(0.05)  # past its time
    assert not g.ready()
    file.give(b"one\ntwo\n")
    assert reader.get(timeout=HANG) == b"one\n"
    with pytest.raises(grove.Timeout):
        g.get(timeout=HANG)
    assert reached == ["timeout"]


def test_who_was_killed_waiting_for_the_file_ends_once_it_is_free(file):
    reader = waiting(file.read_line)
    g = waiting(file.read_line)
    g.kill(block=False)
    grove.sleep(0)
    assert not g.ready()
    file.give(b"one\ntwo\n")
    assert reader.get(timeout=HANG) == b"one\n"
    assert isinstance(g.get(timeout=HANG), grove.GreenletExit)
