"""Nothing is left of a native thread that has used a hub."""

import gc
import os
import sys
import threading

import grove
import grove.event
import pytest
from grove._core import greenlet

ROUND = 150


def loop_exit():
    with pytest.raises(grove.hub.LoopExit):
        grove.get_hub().switch()


def timeout_in_a_greenlet():
    def waits():
        with grove.Timeout(100):
            grove.sleep(100)

    grove.spawn(waits)
    grove.sleep(0)


def switched_to_by_a_callback():
    hub = grove.get_hub()
    hub.loop.run_callback(grove.getcurrent().switch)
    hub.switch()


def thrown_into_by_the_hub():
    grove.kill(grove.getcurrent(), ValueError)
    with pytest.raises(ValueError):
        grove.sleep(100)


def system_exit():
    grove.get_hub().loop.run_callback(sys.exit)
    with pytest.raises(SystemExit):
        grove.sleep(100)


def killed_greenlet():
    g = grove.spawn(grove.sleep, 100)
    grove.sleep(0)
    g.kill(block=False)


def callbacks():
    loop = grove.get_hub().loop
    loop.run_callback(lambda: None)
    loop.run_callback_threadsafe(lambda: None)
    loop.break_()


def watchers():
    loop = grove.get_hub().loop
    r, w = os.pipe()
    made = [getattr(loop, name)() for name in ("idle", "prepare", "check", "fork")]
    made += [loop.async_(), loop.timer(100), loop.timer(0, 100), loop.io(r, 1)]
    made += [loop.signal(10), loop.stat("/")]
    for watcher in made:
        watcher.start(lambda: None)
    made[4].send()
    grove.sleep(0)
    os.close(r)
    os.close(w)


def waiting_greenlet():
    event = grove.event.Event()
    event.rawlink(lambda event: None)
    grove.spawn(event.wait)
    grove.sleep(0)


def raw_greenlet():
    greenlet(lambda: grove.getcurrent().parent.switch()).switch()


USES = [
    grove.get_hub,
    lambda: grove.sleep(0.0001),
    lambda: grove.spawn(len, ()).get(),
    lambda: grove.spawn(len, ()),
    lambda: grove.spawn_later(100, len, ()),
    lambda: grove.Timeout.start_new(100),
    lambda: grove.get_hub().destroy(),
    loop_exit,
    timeout_in_a_greenlet,
    switched_to_by_a_callback,
    thrown_into_by_the_hub,
    system_exit,
    killed_greenlet,
    callbacks,
    watchers,
    waiting_greenlet,
    raw_greenlet,
]


def run(use, count):
    for _ in range(count):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    gc.collect()


def memory():
    """Pages in use, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def growth(use):
    """Blocks of memory that ROUND threads leave."""
    before = sys.getallocatedblocks()
    run(use, ROUND)
    return sys.getallocatedblocks() - before


@pytest.mark.parametrize("use", USES)
def test_nothing_is_left(use):
    """CPython keeps blocks of its own until its caches are full: the least of
    three rounds tells what every thread leaves."""
    run(use, 20)
    assert min(growth(use) for _ in range(3)) < ROUND * 0.5


def test_memory_stays_flat():
    run(loop_exit, 50)
    before = memory()
    run(loop_exit, 2 * ROUND)
    assert memory() - before < 2 * ROUND * 800


def test_a_callback_that_comes_back_is_let_finish():
    order = []

    def callback(main):
        main.switch()
        order.append("finished")

    def use():
        grove.get_hub().loop.run_callback(callback, grove.getcurrent())
        grove.get_hub().switch()
        order.append("ends")

    run(use, 1)
    assert order == ["ends", "finished"]


def test_a_callback_that_never_ends_does_not_hold_the_thread_up():
    def callback(main):
        while True:
            main.switch()

    def use():
        grove.get_hub().loop.run_callback(callback, grove.getcurrent())
        grove.get_hub().switch()

    run(use, 1)
