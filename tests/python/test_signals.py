"""Python's signal handlers and a hub that sleeps."""

import os
import signal
import threading

import grove
import pytest
from grove.event import Event


@pytest.fixture
def sigusr1():
    previous = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, previous)


def sender(rounds):
    """A process that sends one SIGUSR1 for every byte it is written, after a pause
    that differs from round to round, so that some come just before the poll."""
    parent = os.getpid()
    r, w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(r)
        return pid, w
    os.close(w)
    try:
        for i in range(rounds):
            if not os.read(r, 1):
                break
            for _ in range(i * 37 % 2000):
                pass
            os.kill(parent, signal.SIGUSR1)
    finally:
        os._exit(0)


def test_a_signal_is_handled_while_the_hub_sleeps(sigusr1):
    came = Event()
    sigusr1(lambda *_: came.set())
    pid, w = sender(300)
    try:
        for _ in range(300):
            os.write(w, b"x")
            assert came.wait(timeout=60)
            came.clear()
    finally:
        os.close(w)
        os.waitpid(pid, 0)


def test_what_a_handler_raises_goes_to_the_main_greenlet(sigusr1):

    def handler(*_):
        raise KeyboardInterrupt

    sigusr1(handler)
    grove.spawn(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    with pytest.raises(KeyboardInterrupt):
        grove.sleep(20)


def test_other_threads_run_while_the_hub_sleeps():
    done = []
    thread = threading.Thread(target=lambda: done.append(sum(range(1000))))
    thread.start()
    hub = grove.get_hub()
    while not done:
        grove.sleep(0.001)
    thread.join()
    assert done == [499500] and grove.get_hub() is hub


def test_the_signal_mask_is_as_it_was():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    grove.sleep(0.001)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
