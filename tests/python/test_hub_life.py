"""Hubs that are destroyed, set aside and made anew; their Python half."""

import re
import subprocess
import sys
import threading

import grove
import grove.core
import grove.lock
import pytest
from grove import hub as hub_module
from grove.event import Event
from grove.exceptions import HubDestroyed, InvalidThreadUseError, LoopExit
from grove.hub import Hub, Waiter, get_loop, set_default_hub_class, set_hub, set_loop
from grove.sync.waiter import MultipleWaiter


def in_thread(function):
    """Runs it in a thread with a hub of its own; raises what it raises."""
    errors = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def test_destroy():

    def use():
        hub = grove.get_hub()
        loop = hub.loop
        hub.destroy()
        hub.destroy()
        assert hub.dead and hub.loop is None and hub_module._get_hub() is None
        with pytest.raises(ValueError, match="destroyed loop"):
            loop.run_callback(print)
        with pytest.raises(ValueError, match="destroyed loop"):
            loop.run_callback_threadsafe(print)
        with pytest.raises(ValueError, match="destroyed loop"):
            loop.timer(1)
        another = grove.get_hub()
        assert another is not hub and not another.dead and another.loop is not loop
        grove.sleep(0.001)

    in_thread(use)


def test_the_default_loop_outlives_its_hub():
    hub = grove.get_hub()
    loop = hub.loop
    assert loop.default
    hub.destroy()
    assert grove.get_hub() is not hub and grove.get_hub().loop is loop


def test_waits_for_a_dead_hub_raise():

    def use():
        hub = grove.get_hub()
        waiter, timer = Waiter(), hub.loop.timer(0.001)
        hub.destroy()
        for wait in (hub.switch, hub.join, waiter.get, lambda: hub.wait(timer)):
            with pytest.raises(HubDestroyed):
                wait()

    in_thread(use)


def test_what_waits_goes_on_with_the_next_hub():

    def use():
        event, ended = Event(), []

        def wait():
            event.wait()
            ended.append("waited")

        raw = grove.spawn_raw(wait)
        sleeper = grove.spawn(grove.sleep, 0.01)
        grove.sleep(0)
        old = grove.get_hub()
        assert raw.parent is old
        old.destroy()
        event.set()
        sleeper.join()
        assert ended == ["waited"] and sleeper.successful() and raw.dead

    in_thread(use)


def test_greenlets_made_for_a_dead_hub_still_run():

    def use():
        g = grove.Greenlet(lambda: "value")
        grove.get_hub().destroy()
        g.start()
        assert g.get() == "value"

    in_thread(use)


def test_not_in_the_hub_itself():

    def use():
        hub, caught = grove.get_hub(), []

        def callback():
            for act in (hub.destroy, lambda: set_hub(None)):
                with pytest.raises(AssertionError):
                    act()
                caught.append(1)

        hub.loop.run_callback(callback)
        grove.sleep(0)
        assert caught == [1, 1] and not hub.dead

    in_thread(use)


def test_set_hub():

    def use():
        hub = grove.get_hub()
        with pytest.raises(RuntimeError):
            Hub()
        set_hub(None)
        assert hub_module._get_hub() is None and get_loop() is None
        grove.sleep(0.001)  # without anybody's Hub
        assert hub_module._get_hub() is None
        set_hub(hub)
        set_hub(hub)
        assert grove.get_hub() is hub and not hub.dead
        grove.sleep(0.001)
        with pytest.raises(TypeError):
            set_hub(3)
        with pytest.raises(TypeError):
            set_loop(3)
        set_loop(hub.loop)
        assert get_loop() is hub.loop
        set_hub(None)
        assert isinstance(Hub(), Hub)
        hub.destroy()
        with pytest.raises(HubDestroyed):
            set_hub(hub)

    in_thread(use)
    mine = grove.get_hub()

    def use_mine():
        with pytest.raises(InvalidThreadUseError):
            set_hub(mine)
        with pytest.raises(InvalidThreadUseError):
            set_loop(mine.loop)
        with pytest.raises(InvalidThreadUseError):
            mine.destroy()

    in_thread(use_mine)


def test_default_hub_class():

    class Mine(Hub):
        NOT_ERROR = (*Hub.NOT_ERROR, KeyError)

    with pytest.raises(TypeError):
        set_default_hub_class(int)
    kinds = []
    set_default_hub_class(Mine)
    try:
        in_thread(lambda: kinds.append(type(grove.get_hub())))
    finally:
        set_default_hub_class(Hub)
    assert kinds == [Mine]


def test_attributes():
    hub = grove.get_hub()
    assert hub.name == "" and "Hub ''" in repr(hub) and "epoll" in repr(hub)
    assert hub.threadpool_size == 10 and hub.main_hub is True
    assert hub.thread_ident == threading.get_ident() == hub_module.MAIN_THREAD_IDENT
    assert isinstance(hub.minimal_ident, int)
    assert hub.ident_registry.get_ident(hub) == 0
    assert hub.backend is None and hub.loop_class is grove.core.loop
    assert hub.SYSTEM_ERROR == (KeyboardInterrupt, SystemExit, SystemError)
    assert hub.format_context([1]) == "[1]"
    assert hub_module.linkproxy and hub_module.GreenletError
    with pytest.raises(hub_module.BlockingSwitchOutError):
        hub.switch_out()


def test_thread_pool():

    def use():
        hub = grove.get_hub()
        assert hub.threadpool is hub.threadpool
        assert hub.threadpool.apply(threading.get_ident) != threading.get_ident()
        del hub.threadpool
        hub.threadpool_class = lambda *args, **kwargs: (args, kwargs)
        assert hub.threadpool[0] == (10,)
        del hub.threadpool
        hub.destroy()

    in_thread(use)


def test_resolver():

    class Resolver:
        def __init__(self, hub):
            self.hub = hub

        def close(self):
            closed.append(self.hub)

    closed = []

    def use():
        hub = grove.get_hub()
        hub.resolver_class = Resolver
        assert hub.resolver.hub is hub and hub.resolver is hub.resolver
        hub.resolver = hub.resolver
        hub.destroy()
        assert closed == [hub]

    in_thread(use)


def test_loop_exit_of_a_hub_that_took_the_place_of_one():
    """The first is left in the midst of raising its own; the second goes on there."""

    def use():
        hubs = []
        for _ in range(3):
            hub = grove.get_hub()
            with pytest.raises(LoopExit) as caught:
                hub.switch()
            assert caught.value.hub is hub and hub not in hubs
            hubs.append(hub)
            hub.destroy()
            grove.sleep(0.001)

    in_thread(use)


def test_loop_exit_tells_what_each_greenlet_waits_for():
    event, lock = Event(), grove.lock.Semaphore(0)

    def first():
        event.wait()

    def second():
        lock.acquire()

    spawned = [grove.spawn(first), grove.spawn(second)]
    with pytest.raises(LoopExit) as caught:
        grove.get_hub().switch()
    grove.killall(spawned)
    text = str(caught.value)
    assert "would block forever" in text and caught.value.hub is grove.get_hub()
    assert "first> waits in Event.wait" in text
    assert "second> waits in acquire" in text
    assert "waits in switch" in text


def test_loop_exit_of_many():
    event = Event()
    spawned = [grove.spawn(event.wait) for _ in range(200)]
    with pytest.raises(LoopExit) as caught:
        event.wait()
    grove.killall(spawned)
    assert len(caught.value.args[2]) == 101
    others = re.search(r"and (\d+) others", str(caught.value))
    assert int(others[1]) >= 101  # and what other tests have left


def test_cancel_waits_close_and_then():
    hub, errors, done = grove.get_hub(), [], Event()
    watchers = [hub.loop.timer(100) for _ in range(2)]

    def wait(watcher):
        try:
            hub.wait(watcher)
        except ValueError as error:
            errors.append(error)

    for watcher in watchers:
        grove.spawn(wait, watcher)
    grove.sleep(0)
    hub.cancel_waits_close_and_then(
        [*watchers, None], ValueError("cancelled"), done.set
    )
    assert done.wait(timeout=60) and len(errors) == 2
    with pytest.raises(ValueError, match="closed"):
        watchers[0].start(print)


def test_multiple_waiter():
    waiter = MultipleWaiter()
    grove.get_hub().loop.run_callback(waiter.switch, 1)
    grove.get_hub().loop.run_callback(waiter.switch, 2)
    assert [waiter.get(), waiter.get()] == [1, 2]


def test_linkproxy():
    called = []
    proxy = hub_module.linkproxy(called.append, "object")
    proxy("whatever")
    assert called == ["object"] and proxy.obj is None


def test_reinit_tells_the_parts():

    class Part:
        def _on_fork(self):
            told.append(self)

    told = []
    hub = grove.get_hub()
    hub.threadpool = part = Part()
    try:
        grove.reinit()
        grove.reinit(hub)
    finally:
        del hub.threadpool
    assert told == [part, part]


FORK = """
import os, sys, threading
import grove
from grove.lock import RLock, Semaphore
from grove.threadpool import ThreadPool

hub = grove.get_hub()
lock, pool = RLock(), hub.threadpool
assert pool.apply(len, ([1],)) == 1
held, forked = threading.Event(), threading.Event()
slow = pool.spawn(lambda: (held.set(), forked.wait(60)))
others = [grove.spawn(grove.sleep, 0.01) for _ in range(10)]
lock.acquire()
grove.sleep(0)
assert held.wait(10)
pid = grove.fork()
if pid == 0:
    grove.reinit()
    lock.release()
    assert len(grove.joinall(others, timeout=60)) == 10
    assert grove.spawn(lambda: 5).get() == 5
    assert grove.get_hub().threadpool.apply(os.getpid) == os.getpid()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
forked.set()
lock.release()
slow.get()
"""


def test_fork_with_greenlets_locks_and_a_thread_pool():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


MULTIPROCESSING = """
import multiprocessing
import grove

def work(n):
    return grove.spawn(lambda: (grove.sleep(0.001), n * n)[1]).get()

if __name__ == "__main__":
    waiting = grove.spawn(grove.sleep, 0.01)
    grove.sleep(0)
    context = multiprocessing.get_context("{method}")
    with context.Pool(2) as pool:
        assert pool.map(work, range(5)) == [0, 1, 4, 9, 16]
    process = context.Process(target=work, args=(3,))
    process.start()
    process.join()
    assert process.exitcode == 0
    waiting.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(MULTIPROCESSING.format(method=method))
    subprocess.run([sys.executable, program], check=True, timeout=100)
