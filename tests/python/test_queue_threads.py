"""Queues between native threads, with hubs and without."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import grove
import pytest
from grove.queue import Channel, Empty, LifoQueue, Queue, SimpleQueue

BUILD = Path(grove.__file__).parents[2]


def run_threads(*functions):
    failures = []

    def run(function):
        try:
            function()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    return threads, failures


@pytest.mark.parametrize("kind", [SimpleQueue, Queue, LifoQueue, Channel])
def test_a_thread_wakes_a_greenlet(kind):
    q = kind()
    threads, failures = run_threads(lambda: q.put("from the thread"))
    assert q.get() == "from the thread"
    threads[0].join()
    got = []
    threads, failures = run_threads(lambda: got.append(q.get()))
    q.put("to the thread")
    threads[0].join()
    assert got == ["to the thread"] and not failures


def test_greenlets_run_while_one_waits_for_a_thread():
    q, gate, order = Queue(), threading.Event(), []
    threads, _ = run_threads(lambda: (gate.wait(60), q.put("item")))
    grove.spawn(lambda: (order.append("greenlet"), gate.set()))
    assert q.get() == "item" and order == ["greenlet"]
    threads[0].join()


def test_a_full_queue_between_threads():
    q = Queue(1)
    threads, failures = run_threads(lambda: [q.put(i) for i in range(1000)])
    assert [q.get() for _ in range(1000)] == list(range(1000))
    threads[0].join()
    assert not failures


def test_timeouts_in_threads():
    q, got = Queue(), []

    def wait():
        with pytest.raises(Empty):
            q.get(timeout=0.001)
        got.append(True)

    threads, failures = run_threads(wait, wait)
    for thread in threads:
        thread.join()
    assert got == [True, True] and not failures and q.getters == []


def test_join_from_another_thread():
    q, joined = Queue(items=[1, 2]), []
    threads, failures = run_threads(lambda: joined.append(q.join()))
    for _ in range(2):
        q.get()
        q.task_done()
    threads[0].join()
    assert joined == [True] and not failures


def test_a_thread_that_ends_waiting_is_forgotten():
    """Its greenlet in get() is gone; the item goes to who is there."""
    q = Queue()
    begun = threading.Event()

    def leave():
        grove.spawn(q.get)
        grove.sleep(0)
        begun.set()

    threads, failures = run_threads(leave)
    threads[0].join()
    assert begun.is_set() and not failures
    q.put("item")
    assert q.getters == [] and q.get(timeout=60) == "item"


TRAFFIC = """
import sys, threading, grove
from grove.queue import {kind}
THREADS, GREENLETS, ITEMS = 4, 5, {items}
q, back = {kind}({size}), grove.queue.Queue()

def produce(first):
    for i in range(first, first + ITEMS):
        q.put(i)

def consume():
    total = count = 0
    for item in q:
        total += item
        count += 1
    back.put((total, count))

def in_greenlets(function, *args):
    grove.joinall([grove.spawn(function, *a) for a in args], raise_error=True)

with_hubs = [
    threading.Thread(target=in_greenlets, args=(
        produce, *[((t * GREENLETS + g) * ITEMS,) for g in range(GREENLETS)]))
    for t in range(THREADS)
]
first = THREADS * GREENLETS * ITEMS
plain = threading.Thread(target=produce, args=(first,))
consumers = [threading.Thread(target=in_greenlets, args=(consume, (), ()))
             for t in range(2)] + [threading.Thread(target=consume)]
for thread in with_hubs + [plain] + consumers:
    thread.start()
for thread in with_hubs + [plain]:
    thread.join()
for _ in range(5):
    q.put(StopIteration)
results = [back.get() for _ in range(5)]
for thread in consumers:
    thread.join()
n = first + ITEMS
assert sum(r[1] for r in results) == n, results
assert sum(r[0] for r in results) == n * (n - 1) // 2
print("good", n)
"""


def run_traffic(kind, size, items, *wrapper):
    source = TRAFFIC.format(kind=kind, size=size, items=items)
    return subprocess.run(
        [*wrapper, sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": str(BUILD / "python")},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize(
    "kind, size, items",
    [("Queue", "", 5000), ("Queue", 10, 1000), ("SimpleQueue", 1, 300), ("Channel", "", 300)],
)
def test_nothing_is_lost_between_threads(kind, size, items):
    result = run_traffic(kind, size, items)
    assert result.stdout == f"good {21 * items}\n", result.stderr


def test_threads_that_wait_do_not_poll(tmp_path):
    """A hub that waits for a thread makes a handful of system calls."""
    if not shutil.which("strace"):
        pytest.skip("system calls are counted by strace: apt-get install strace")
    source = """
import threading, time, grove
from grove.queue import Queue
q = Queue()
threads = [threading.Thread(target=q.get) for _ in range(3)]
for thread in threads:
    thread.start()
while len(q.getters) < 3:
    time.sleep(0.01)
marker = open("/dev/null"); marker.close()
time.sleep(1)
marker = open("/dev/null"); marker.close()
for thread in threads:
    q.put(1)
for thread in threads:
    thread.join()
"""
    log = tmp_path / "log"
    result = subprocess.run(
        ["strace", "-f", "-o", log, sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": str(BUILD / "python")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    parts = log.read_text().split('"/dev/null"')
    assert len(parts) == 3
    assert parts[1].count("\n") < 30, parts[1]
