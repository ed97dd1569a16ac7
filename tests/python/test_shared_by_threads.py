"""Objects that native threads share, with hubs and without: nothing is lost,
nobody polls, nothing hangs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grove
import pytest

PROGRAM = Path(__file__).with_name("shared_by_threads.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(grove.__file__).parent.parent)}


def run(*command, timeout=240):
    return subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout
    )


def test_a_million_operations():
    result = run(sys.executable, PROGRAM, "1000080")
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[-1]) >= 1_000_000


def system_calls(tmp_path, *command):
    """How often each was called, by all threads."""
    if not shutil.which("strace"):
        pytest.skip("system calls are counted by strace: apt-get install strace")
    counts = tmp_path / "counts"
    result = run("strace", "-f", "-c", "-U", "calls,name", "-o", counts, *command)
    if "ptrace" in result.stderr and result.returncode:
        pytest.skip(
            "strace may not trace processes here; it runs where ptrace is allowed"
        )
    assert result.returncode == 0, result.stderr
    found = re.findall(r"^ *(\d+) (\w+)$", counts.read_text(), re.MULTILINE)
    calls = {name: int(count) for count, name in found if name != "total"}
    assert calls
    return calls


POLLS = ("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select")


def test_at_most_a_poll_and_a_wake_an_operation(tmp_path):
    operations = 30_000
    calls = system_calls(tmp_path, sys.executable, PROGRAM, str(operations))
    # One that hands over: a write to an eventfd; one that waits: a poll and the
    # read of the eventfd. What waits for the interpreter's lock is not counted.
    ours = sum(calls.get(name, 0) for name in (*POLLS, "read", "write"))
    assert ours < 3 * operations + 2_000, calls


WAITING = """
import threading, time
import grove
from grove.event import AsyncResult, Event
from grove.lock import RLock, Semaphore
from grove.queue import Queue

event, semaphore, result, queue = Event(), Semaphore(0), AsyncResult(), Queue()
lock = RLock()
lock.acquire()

def with_lock():
    with lock:
        pass

waits = [event.wait, semaphore.acquire, result.get, queue.get, with_lock]

def with_a_hub():
    grove.joinall([grove.spawn(wait) for wait in waits], raise_error=True)

threads = [threading.Thread(target=wait) for wait in waits]
threads += [threading.Thread(target=with_a_hub) for _ in range(2)]
for thread in threads:
    thread.start()
time.sleep(%s)
event.set(); result.set(1); lock.release()
for _ in range(3):
    semaphore.release(); queue.put(1)
for thread in threads:
    thread.join()
"""


def test_waiting_is_no_polling(tmp_path):
    def polls(seconds):
        calls = system_calls(tmp_path, sys.executable, "-c", WAITING % seconds)
        return sum(calls.get(name, 0) for name in POLLS)

    short, long = polls(0.2), polls(1.2)
    # The longer it waits, the longer it sleeps; no more often.
    assert long < short + 20, (short, long)
