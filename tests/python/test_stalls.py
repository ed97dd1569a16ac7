"""grove.stalls: who holds up the others is told, and where.

What is told of is awaited, not timed: a greenlet holds the others up until it was
told. Each test is a program of its own, as there is one watcher in a process.
"""

import os
import subprocess
import sys
import textwrap

import pytest

HANG = 60

#: That the line was written tells that a stall may end; the callback comes some time
#: after it, when the hub turns again.
BEGINNING = """
import ctypes, os, sys, threading, time
import grove
from grove import stalls

stalls.limit(0.02)
told = []
stalls.on_stall(told.append)

def was_written():
    return b"holds up" in os.pread(2, 65536, 0)

def compute():
    end = time.monotonic() + 60
    while not was_written():
        assert time.monotonic() < end

def the_one():
    end = time.monotonic() + 60
    while not told:
        assert time.monotonic() < end
        grove.sleep(0.001)
    (stall,) = told
    return stall

def threads():
    return {open(f"/proc/self/task/{task}/comm").read().strip()
            for task in os.listdir("/proc/self/task")}
"""


def run(
    tmp_path, program: str, beginning: str = BEGINNING, **environment: str
) -> str:
    """What a program wrote on standard error, which is a file."""
    path = tmp_path / "errors"
    with open(path, "w+") as errors:
        result = subprocess.run(
            [sys.executable, "-c", beginning + textwrap.dedent(program)],
            env={**os.environ, "GROVE_STALLS": "", **environment},
            stderr=errors,
            timeout=HANG,
        )
    text = path.read_text()
    assert result.returncode == 0, text
    return text


def test_one_that_computes(tmp_path):
    text = run(
        tmp_path,
        """
        def busy():
            compute()
        grove.spawn(busy).join()
        stall = the_one()
        assert stall.name == "busy", stall
        assert not stall.waits and not stall.guessed
        assert stall.length >= 0.02
        assert stall.thread == os.getpid()
        assert " in compute\\n" in stall.python and " in busy\\n" in stall.python
        assert "grove_context_start" in stall.frames[-1]
        """,
    )
    assert '"busy" holds up thread ' in text
    assert "  Python: File " in text
    assert text.index(" in compute\n") < text.index(" in busy\n")


def test_one_that_waits_in_c(tmp_path):
    text = run(
        tmp_path,
        """
        ends = os.pipe()
        libc = ctypes.CDLL(None)
        def release():
            compute()
            os.write(ends[1], b"x")
        def blocks():
            place = ctypes.create_string_buffer(1)
            assert libc.read(ends[0], place, 1) == 1
        threading.Thread(target=release).start()
        grove.spawn(blocks).join()
        stall = the_one()
        assert stall.name == "blocks" and stall.waits, stall
        assert " in blocks\\n" in stall.python
        """,
    )
    assert '"blocks" holds up thread ' in text
    assert "; it waits in system call 0\n" in text


def test_one_that_computes_in_c(tmp_path):
    text = run(
        tmp_path,
        """
        import hashlib
        def hashes():
            end = time.monotonic() + 60
            while not was_written():
                hashlib.pbkdf2_hmac("sha256", b"x", b"y", 400000)
                assert time.monotonic() < end
        grove.spawn(hashes).join()
        stall = the_one()
        assert any("libcrypto" in frame for frame in stall.frames), stall
        assert " in hashes\\n" in stall.python
        """,
    )
    assert '"hashes" holds up thread ' in text


def test_the_main_greenlet_holds_up_others(tmp_path):
    text = run(
        tmp_path,
        """
        other = grove.spawn(grove.sleep, 60)
        grove.sleep(0.001)
        compute()
        assert the_one().name == "main", told
        other.kill()
        """,
    )
    assert '"main" holds up thread ' in text


def test_the_main_greenlet_alone_may_compute(tmp_path):
    text = run(
        tmp_path,
        """
        grove.sleep(0.001)
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            pass
        grove.sleep(0.001)
        """,
    )
    assert text == ""


WITHOUT = "import os, time, grove\nfrom grove import stalls\n"


def test_there_is_a_thread_as_soon_as_there_is_a_hub(tmp_path):
    text = run(
        tmp_path,
        """
        assert len(os.listdir("/proc/self/task")) == 1
        grove.joinall([grove.spawn(grove.sleep, 0.001) for _ in range(10)])
        assert len(os.listdir("/proc/self/task")) == 2
        """,
        WITHOUT,
    )
    assert text == ""


@pytest.mark.parametrize("late", ["GROVE_STALLS=late", "GROVE_STALLS=20,late", "watch(False)"])
def test_without_a_stall_there_is_no_thread(tmp_path, late):
    environment = dict([late.split("=")]) if "=" in late else {}
    text = run(
        tmp_path,
        f"""
        {"" if environment else "stalls." + late}
        grove.joinall([grove.spawn(grove.sleep, 0.001) for _ in range(10)])
        assert len(os.listdir("/proc/self/task")) == 1
        """,
        WITHOUT,
        **environment,
    )
    assert text == ""


def test_the_first_is_told_when_it_is_over(tmp_path):
    text = run(
        tmp_path,
        """
        def slow():
            time.sleep(0.06)
        grove.spawn(slow).join()
        grove.sleep(0.001)
        assert len(os.listdir("/proc/self/task")) == 2
        """,
        WITHOUT,
        GROVE_STALLS="20,late",
    )
    assert text.count(" has held up thread ") == 1
    assert "  C" not in text


def test_0_is_never(tmp_path):
    text = run(
        tmp_path,
        """
        assert stalls.limit() == 0
        grove.spawn(time.sleep, 0.2).join()
        grove.sleep(0.001)
        """,
        WITHOUT,
        GROVE_STALLS="0",
    )
    assert text == ""


def test_settings(tmp_path):
    run(
        tmp_path,
        """
        assert stalls.limit() == 0.03
        assert stalls.limit(0.5) == 0.03
        assert stalls.limit() == 0.5
        for bad in (-1, 0.0001, float("nan"), float("inf"), 1e10):
            try:
                stalls.limit(bad)
            except ValueError:
                pass
            else:
                raise AssertionError(bad)
        assert stalls.limit() == 0.5
        assert stalls.on_stall(print) is None
        assert stalls.on_stall(None) is print
        stalls.watch()
        assert stalls.limit() == 0.5
        """,
        WITHOUT,
        GROVE_STALLS="30",
    )


def test_what_the_callback_raises_is_printed(tmp_path):
    text = run(
        tmp_path,
        """
        def fails(stall):
            told.append(stall)
            raise ZeroDivisionError("of the callback")
        stalls.on_stall(fails)
        grove.spawn(compute).join()
        the_one()
        """,
    )
    assert "ZeroDivisionError: of the callback" in text


def test_a_fork_does_not_warn_of_threads(tmp_path):
    """CPython from 3.12 on counts them."""
    run(
        tmp_path,
        """
        import warnings
        warnings.simplefilter("error")
        grove.spawn(compute).join()
        assert "grove-stalls" in threads()
        pid = os.fork()
        if pid == 0:
            os._exit("grove-stalls" in threads())
        assert os.waitpid(pid, 0)[1] == 0
        """,
    )


def test_the_monitor_of_the_hub_tells_alone(tmp_path):
    """gevent's own, by config.monitor_thread: nothing is told twice."""
    text = run(
        tmp_path,
        """
        import io
        grove.config.max_blocking_time = 0.02
        hub = grove.get_hub()
        hub.exception_stream = stream = io.StringIO()
        monitor = hub.start_periodic_monitoring_thread()
        def busy():
            end = time.monotonic() + 60
            while "appears to be blocked" not in stream.getvalue():
                assert time.monotonic() < end
        grove.spawn(busy).join()
        grove.sleep(0.001)
        assert told == []
        monitor.kill()
        """,
    )
    assert text == ""


def test_the_interpreters_end_holds_nobody_up(tmp_path):
    text = run(
        tmp_path,
        """
        class Slow:
            def __del__(self, now=time.monotonic, limit=0.2):
                end = now() + limit
                while now() < end:
                    pass

        stalls.watch()
        slow = Slow()
        slow.itself = slow
        grove.spawn(grove.sleep, 3600)  # who might be held up
        grove.sleep(0.001)
        del slow  # garbage that the interpreter finds as it ends
        """,
    )
    assert text == ""
