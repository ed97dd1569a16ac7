"""grove.fileobject: files that greenlets wait for."""

import errno
import io
import os
import subprocess
import sys
import textwrap

import grove
import pytest
from grove.fileobject import (
    FileObject,
    FileObjectBlock,
    FileObjectClosed,
    FileObjectPosix,
    FileObjectThread,
)

CLASSES = [FileObjectPosix, FileObjectThread, FileObjectBlock]
CONTENT = b"line1\nline2\r\nline3"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return str(path)


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass


@pytest.mark.parametrize("kind", CLASSES)
def test_reading(kind, path):
    assert kind(path).read() == "line1\nline2\nline3"
    assert kind(path, "rb").read() == CONTENT
    assert list(kind(path, "rb")) == [b"line1\n", b"line2\r\n", b"line3"]
    assert kind(path, "r", newline="").read() == CONTENT.decode()
    assert kind(path, "rU").readlines() == ["line1\n", "line2\n", "line3"]
    assert kind(path, "rb", 0).read(3) == b"lin"
    assert kind(path, "r", buffering=0).readline() == "line1\n"
    with kind(path, "rb") as file:
        assert next(file) == file.next()[:4] + b"1\n"
        assert (file.seek(2), file.tell(), file.read(3)) == (2, 2, b"ne1")
        into = bytearray(4)
        assert file.readinto(into) == 4 and into == b"\nlin"
        assert (file.readable(), file.writable(), file.seekable()) == (True, False, True)
        assert (file.name, file.closed) == (path, False)
    assert file.closed


@pytest.mark.parametrize("kind", CLASSES)
def test_writing(kind, path):
    with kind(path, "w", encoding="latin-1") as file:
        assert file.write("ä") == 1 and file.encoding == "latin-1"
    assert open(path, "rb").read() == b"\xe4"
    file = kind(path, "wb", bufsize=0)
    assert file.write(b"all") == 3
    assert open(path, "rb").read() == b"all"
    file.close()
    with kind(path, "r+b") as file:
        assert isinstance(file.io, io.BufferedRandom)


@pytest.mark.parametrize("kind", CLASSES)
def test_what_is_opened(kind, path):
    assert kind(os.open(path, os.O_RDONLY), "rb").read() == CONTENT
    assert kind(open(path, "rb"), "rb").read() == CONTENT
    assert kind(open(path)).read() == CONTENT.decode().replace("\r", "")
    fd = os.open(path, os.O_RDONLY)
    kind(fd, "rb", closefd=False).close()
    os.close(fd)  # it was open
    given = open(path, "rb")
    kind(given, "rb").close()
    assert given.closed
    given = open(path, "rb")
    kind(given, "rb", close=False).close()
    assert not given.closed
    given.close()


@pytest.mark.parametrize("kind", CLASSES)
def test_bad_arguments(kind, path):
    for bad in ({"mode": "q"}, {"mode": "rw"}, {"mode": "rb", "encoding": "ascii"}):
        with pytest.raises(ValueError):
            kind(path, **bad)
    with pytest.raises(TypeError, match="both buffering=3 and bufsize=0"):
        kind(path, "rb", bufsize=0, buffering=3)
    with pytest.raises(TypeError, match="NoneType"):
        kind(None)
    with pytest.raises(TypeError):
        kind()
    with pytest.raises(FileNotFoundError):
        kind(path + "not")
    with pytest.raises(AttributeError):
        kind(path).no_such_thing


@pytest.mark.parametrize("kind", CLASSES)
def test_closed(kind, path):
    file = kind(path, "rb")
    assert repr(file).startswith(f"<{kind.__name__} at 0x")
    assert "_fobj=<_io.BufferedReader" in repr(file)
    file.close()
    file.close()
    assert "closed_fobj=" in repr(file)
    for use in (file.__iter__, lambda: file.read(), lambda: file.fileno()):
        with pytest.raises(FileObjectClosed) as caught:
            use()
        assert caught.value.errno == errno.EBADF


def test_files_without_a_descriptor():
    assert FileObjectThread(io.BytesIO(b"x"), "rb").read() == b"x"
    assert FileObjectBlock(io.BytesIO(b"x"), "r").read() == "x"
    with pytest.raises(ValueError):
        FileObjectBlock(io.StringIO("x"), "rb")
    with pytest.raises(io.UnsupportedOperation):
        FileObjectPosix(io.BytesIO(b"x"), "rb")


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("kind", [FileObjectPosix, FileObjectThread])
def test_others_run_while_one_reads(kind, buffering, pipe):
    reader, writer = (
        kind(pipe[0], "rb", buffering, closefd=False),
        kind(pipe[1], "wb", 0, closefd=False),
    )
    line = grove.spawn(reader.readline)
    grove.sleep(0)
    assert not line.ready()
    writer.write(b"line\nand more")
    assert line.get(timeout=60) == b"line\n"
    assert reader.read(4) == b"and "


@pytest.mark.parametrize("buffering", [-1, 0])
def test_close_wakes_readers(buffering, pipe):
    file = FileObjectPosix(pipe[0], "rb", buffering)
    reader = grove.spawn(file.read, 1)
    grove.sleep(0)
    file.close()
    with pytest.raises(FileObjectClosed):
        reader.get(timeout=60)
    with pytest.raises(OSError):
        os.fstat(pipe[0])


def test_a_large_file_in_many_greenlets(tmp_path):
    path = str(tmp_path / "large")
    data = os.urandom(1 << 20)
    with FileObject(path, "wb") as file:
        file.write(data)

    def read(offset):
        with FileObject(path, "rb") as file:
            file.seek(offset)
            return file.read(1 << 16)

    offsets = range(0, 1 << 20, 1 << 16)
    readers = [grove.spawn(read, offset) for offset in offsets]
    grove.joinall(readers, timeout=60, raise_error=True)
    assert b"".join(reader.value for reader in readers) == data


def test_thread_of_another_pool_and_without_a_lock(path):
    pool = grove.threadpool.ThreadPool(1)
    file = FileObjectThread(path, "rb", lock=False, threadpool=pool)
    assert file.read(2) == b"li" and file.threadpool is pool
    assert "threadpool=<ThreadPool" in repr(file)
    pool.kill()


def test_patched_standard_streams():
    program = """
        from grove import monkey
        monkey.patch_sys()
        import sys, grove
        lines = []
        reader = grove.spawn(lambda: lines.append(sys.stdin.readline()))
        grove.sleep(0)
        print("ready", flush=True)
        def talk(name):
            for i in range(500):
                print(f"{name} {i} " + "x" * 200 + "\\n", end="")
        grove.joinall([grove.spawn(talk, n) for n in "ab"], raise_error=True)
        reader.join()
        grove.get_hub().loop.run_callback(sys.stderr.write, "from the hub\\n")
        grove.sleep(0)
        print(lines, input())
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Not by readline, which takes what follows from communicate.
    assert os.read(child.stdout.fileno(), 6) == b"ready\n"
    out, err = child.communicate("one\ntwo\n", timeout=60)
    assert err == "from the hub\n"
    *talk, last = out.splitlines()
    assert last == "['one\\n'] two"
    for name in "ab":
        said = [line for line in talk if line[0] == name]
        assert said == [f"{name} {i} " + "x" * 200 for i in range(500)]
    assert len(talk) == 1000
