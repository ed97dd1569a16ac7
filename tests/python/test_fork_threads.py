"""Hubs in forked processes and in threads."""

import os
import threading
import time

import grove
from grove import _core, socket


def child_says(function) -> bytes:
    """What function, run in a forked process, returns."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(w, function())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as pipe:
        said = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return said


def echo_to_oneself() -> bytes:
    a, b = socket.socketpair()
    reader = grove.spawn(b.recv, 10)
    grove.sleep(0.001)
    a.send(b"echo")
    said = reader.get(timeout=60)
    a.close()
    b.close()
    return said


def test_a_forked_process_has_a_loop_of_its_own():
    assert echo_to_oneself() == b"echo"
    assert child_says(echo_to_oneself) == b"echo"
    assert echo_to_oneself() == b"echo"


def test_a_fork_in_a_greenlet():
    def forks():
        said = child_says(lambda: grove.spawn(echo_to_oneself).get())
        return said, echo_to_oneself()

    assert grove.spawn(forks).get(timeout=60) == (b"echo", b"echo")


def test_greenlets_live_on_in_both_as_with_gevent():
    order = []
    sleeper = grove.spawn_later(0.01, order.append, "slept")

    def in_child():
        sleeper.join(timeout=60)
        return repr(order).encode()

    assert child_says(in_child) == b"['slept']"
    sleeper.join(timeout=60)
    assert order == ["slept"]


def test_nobody_else_runs_in_a_child_because_it_reads_and_writes():
    """As programs do before exec, in the child of a fork in one greenlet."""
    parent = os.getpid()
    elsewhere, told = os.pipe()

    def other():
        if os.getpid() != parent:
            os.write(told, b"ran in the child")
            os._exit(1)

    def forks():
        pid = os.fork()
        if pid == 0:
            for _ in range(2000):  # calls that may give others their turn
                _core.os_write(null, b"x")
            a, b = os.pipe()
            _core.os_write(b, b"back")
            os._exit(_core.os_read(a, 4) != b"back")
        return os.waitpid(pid, 0)[1]

    null = os.open(os.devnull, os.O_WRONLY)
    forking = grove.spawn(forks)
    grove.joinall([forking, *(grove.spawn(other) for _ in range(3))])
    os.close(told)
    assert os.read(elsewhere, 100) == b"" and forking.get() == 0
    os.close(elsewhere)
    os.close(null)


def test_a_child_that_has_others_waits_for_them():
    def says():
        a, b = os.pipe()
        grove.spawn(_core.os_write, b, b"by another")
        return _core.os_read(a, 100)

    assert child_says(says) == b"by another"


def test_each_thread_has_a_hub_and_they_run_at_once():
    hubs, counts = set(), []
    together = threading.Barrier(4)

    def work():
        hubs.add(grove.get_hub())
        together.wait()
        begin = time.monotonic()
        grove.joinall([grove.spawn(grove.sleep, 0.05) for _ in range(50)])
        counts.append(time.monotonic() - begin)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hubs) == 4 and grove.get_hub() not in hubs
    assert len(counts) == 4
    # 200 sleeps one after another would take 10 s.
    assert max(counts) < 5


def test_threads_come_and_go():
    def work():
        grove.spawn(grove.sleep, 0).join()

    grove.sleep(0)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    # A thread may be joined a little before the system has done with it.
    end = time.monotonic() + 20
    while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < end:
        grove.sleep(0.001)
    # Nor are those of an earlier test's threads gone when they are counted.
    assert len(os.listdir("/proc/self/fd")) <= before
