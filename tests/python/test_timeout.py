"""Timeout and with_timeout."""

import functools
import gc
import time
import weakref

import grove
import grove.event
import grove.lock
import grove.queue
import pytest
from grove import Timeout, socket


def test_raises_itself():
    timeout = Timeout(0.01)
    assert not timeout.pending
    timeout.start()
    assert timeout.pending
    with pytest.raises(Timeout) as caught:
        grove.sleep(5)
    assert caught.value is timeout and not timeout.pending


def test_not_before_its_time():
    start = time.perf_counter()
    with pytest.raises(Timeout), Timeout(0.03):
        grove.sleep(5)
    assert time.perf_counter() - start >= 0.03


def test_cancel():
    timeout = Timeout.start_new(0.005)
    timeout.cancel()
    timeout.cancel()
    grove.sleep(0.02)
    timeout.start()
    with pytest.raises(Timeout):
        grove.sleep(1)


def test_with_cancels():
    with Timeout(0.005) as timeout:
        assert timeout.pending
    assert not timeout.pending
    grove.sleep(0.02)


@pytest.mark.parametrize("seconds", [0, -1, 0.0])
def test_zero_comes_in_the_next_pass(seconds):
    seen = []
    with pytest.raises(Timeout), Timeout(seconds):
        grove.spawn(seen.append, 1)
        grove.sleep(0)
        grove.sleep(1)
    assert seen == [1]


def test_none_never_comes():
    with Timeout(None) as timeout:
        grove.sleep(0.001)
        assert not timeout.pending
    with Timeout():
        grove.sleep(0)


def test_false_swallows_itself_only():
    with Timeout(0.005, False):
        grove.sleep(1)
    with pytest.raises(ValueError), Timeout(1, False):
        raise ValueError
    with pytest.raises(Timeout) as caught, Timeout(1, False):
        raise Timeout(3)
    assert caught.value.seconds == 3


@pytest.mark.parametrize("exception", [KeyError, KeyError("x")])
def test_another_exception(exception):
    with pytest.raises(KeyError), Timeout(0.001, exception):
        grove.sleep(1)


@pytest.mark.parametrize("exception", [None, True, "text"])
def test_still_itself(exception):
    with pytest.raises(Timeout) as caught, Timeout(0.001, exception):
        grove.sleep(1)
    assert caught.value.exception is exception


def test_nested():
    with pytest.raises(Timeout) as caught, Timeout(0.005) as outer, Timeout(5):
        grove.sleep(1)
    assert caught.value is outer
    with Timeout(5) as outer:
        with pytest.raises(Timeout) as caught, Timeout(0.005) as inner:
            grove.sleep(1)
        assert caught.value is inner and outer.pending
    with Timeout(0.005, False):
        with Timeout(0.001, False):
            grove.sleep(1)
        grove.sleep(1)


def test_text():
    assert str(Timeout(1)) == "1 second"
    assert str(Timeout(1.5)) == "1.5 seconds"
    assert str(Timeout(1.5, False)) == "1.5 seconds (silent)"
    assert str(Timeout(1, "m")) == "1 second: m"
    assert str(Timeout()) == ""
    timeout = Timeout(1, ValueError)
    assert repr(timeout) == f"<Timeout at {id(timeout):#x} seconds=1 exception={ValueError!r}>"
    timeout.start()
    assert repr(timeout).endswith(" pending>")
    with pytest.raises(AssertionError, match="is already started"):
        timeout.start()
    timeout.close()


def test_order_and_equality():
    one, two = Timeout(1), Timeout(2)
    assert one < two and one != Timeout(1) and one == one
    assert sorted([two, one]) == [one, two]
    assert len({one, two, one}) == 2


def test_start_new():
    timeout = Timeout.start_new(0.001)
    assert Timeout.start_new(timeout) is timeout
    with pytest.raises(Timeout):
        grove.sleep(1)
    assert Timeout.start_new(timeout) is timeout and timeout.pending
    timeout.cancel()
    with Timeout._start_new_or_dummy(None):
        grove.sleep(0)


def test_subclass():
    class Mine(Timeout):
        pass

    with pytest.raises(Mine), Mine(0.001):
        grove.sleep(1)
    with pytest.raises(Mine):
        Mine.start_new(0.001)
        grove.sleep(1)


def test_on_expiration_hook():
    seen = []

    class Hooked(Timeout):
        def _on_expiration(self, prev_greenlet, ex):
            seen.append((prev_greenlet, ex))
            Timeout._on_expiration(self, prev_greenlet, ex)

    with pytest.raises(Hooked) as caught, Hooked(0.001):
        grove.sleep(1)
    assert seen == [(grove.getcurrent(), caught.value)]


def test_in_whoever_started_it():
    def f():
        with Timeout(0.01, False):
            grove.sleep(1)
        return "went on"

    gs = [grove.spawn(f) for _ in range(10)]
    grove.joinall(gs)
    assert [g.value for g in gs] == ["went on"] * 10


def test_its_greenlet_has_ended():
    grove.spawn(Timeout.start_new, 0.001).join()
    grove.sleep(0.01)


def test_with_timeout():
    assert grove.with_timeout(1, lambda *a, **k: (a, k), 1, b=2) == ((1,), {"b": 2})
    assert grove.with_timeout(0.001, grove.sleep, 1, timeout_value=7) == 7
    with pytest.raises(Timeout):
        grove.with_timeout(0.001, grove.sleep, 1)
    assert grove.with_timeout(None, lambda: 3) == 3

    def inner():
        with Timeout(0.001):
            grove.sleep(1)

    with pytest.raises(Timeout):  # not its own
        grove.with_timeout(1, inner, timeout_value=7)
    with pytest.raises(TypeError):
        grove.with_timeout(1)


def test_is_no_exception():
    assert not issubclass(Timeout, Exception)


def test_collected():
    class Mine(Timeout):
        pass

    timeout = Mine(0.001)
    timeout.me = timeout
    ref = weakref.ref(timeout)
    with pytest.raises(Mine), timeout:
        grove.sleep(1)
    grove.sleep(0)  # the Hub comes back from throwing it
    del timeout
    gc.collect()
    assert ref() is None


def test_bad_seconds():
    with pytest.raises(TypeError):
        Timeout("x").start()
    with pytest.raises(ValueError):
        Timeout(float("nan")).start()


def test_timer_is_a_view():
    timeout = Timeout(60)
    assert not timeout.timer.active
    timeout.start()
    timer = timeout.timer
    assert timer.active and timer.pending and timer.ref
    assert "pending" in repr(timer)
    timer.stop()
    assert not timeout.pending
    assert not Timeout(1, ref=False).timer.ref


# ---- as the argument timeout of whatever waits -----------------------------------


class Late(Exception):
    pass


def waits_with(timeout):
    """Each of what waits, made to wait with this timeout."""
    sleeper = grove.spawn(grove.event.Event().wait)
    full, locked = grove.queue.Queue(1, [1]), grove.lock.Semaphore(0)
    unfinished = grove.queue.Queue(items=[1])
    return {
        "get": lambda: grove.queue.Queue().get(timeout=timeout),
        "peek": lambda: grove.queue.Queue().peek(timeout=timeout),
        "put": lambda: full.put(2, timeout=timeout),
        "queue join": lambda: unfinished.join(timeout=timeout),
        "channel get": lambda: grove.queue.Channel().get(timeout=timeout),
        "channel put": lambda: grove.queue.Channel().put(1, timeout=timeout),
        "event": lambda: grove.event.Event().wait(timeout),
        "result get": lambda: grove.event.AsyncResult().get(timeout=timeout),
        "result wait": lambda: grove.event.AsyncResult().wait(timeout),
        "acquire": lambda: locked.acquire(timeout=timeout),
        "semaphore wait": lambda: locked.wait(timeout),
        "rlock": lambda: held_rlock().acquire(timeout=timeout),
        "join": lambda: sleeper.join(timeout),
        "greenlet get": lambda: sleeper.get(timeout=timeout),
        "joinall": lambda: grove.joinall([sleeper], timeout=timeout),
        "wait": lambda: grove.wait([sleeper], timeout=timeout),
        "wait_read": lambda: socket.wait_read(full_socket(), timeout),
        "wait_write": lambda: socket.wait_write(full_socket(), timeout),
        "wait_readwrite": lambda: socket.wait_readwrite(full_socket(), timeout),
        "watcher": lambda: socket.wait(reads(full_socket()), timeout),
    }


@functools.cache
def full_pair():
    pair = socket.socketpair()
    pair[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            pair[0].send(bytes(65536))
    return pair


@pytest.fixture(scope="module", autouse=True)
def close_full_pair():
    yield
    for end in full_pair():
        end.close()


def full_socket():
    """The descriptor of one that can be neither read nor written to."""
    return full_pair()[0].fileno()


def reads(fd):
    return grove.get_hub().loop.io(fd, 1)


def held_rlock():
    lock = grove.lock.RLock()
    grove.spawn(lock.acquire).join()
    return lock


WAITS = list(waits_with(None))
#: What they raise of a Timeout itself, not of what it was given.
RAISE_IT = {
    "get", "peek", "put", "channel get", "channel put", "result get", "greenlet get",
    "wait_read", "wait_write", "wait_readwrite", "watcher"
}  # fmt: skip


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("exception", [Late, Late("instance")])
@pytest.mark.parametrize("what", WAITS)
def test_what_a_timeout_raises_comes_through(what, exception, started):
    timeout = grove.Timeout(0.001, exception)
    if started:
        timeout.start()
    with pytest.raises(Late) as caught:
        waits_with(timeout)[what]()
    assert exception is Late or caught.value is exception
    assert not timeout.pending
    grove.sleep(0.002)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("what", WAITS)
def test_a_timeout_as_an_argument(what, started):
    timeout = grove.Timeout(0.001)
    if started:
        timeout.start()
    wait = waits_with(timeout)[what]
    if what in RAISE_IT:
        with pytest.raises(grove.Timeout) as caught:
            wait()
        assert caught.value is timeout
    else:
        assert not wait()
    assert not timeout.pending
    grove.sleep(0.002)


def test_a_timeout_that_was_not_needed_is_cancelled():
    timeout = grove.Timeout(0.001, Late)
    timeout.start()
    q = grove.queue.Queue()
    grove.spawn(q.put, 1)
    assert q.get(timeout=timeout) == 1 and not timeout.pending
    grove.sleep(0.002)


def test_timers_of_no_time_are_due_in_the_order_they_were_started():
    order = []

    def waits():
        grove.event.Event().wait(0)
        order.append("waits")

    def timed():
        grove.sleep(0)
        with grove.Timeout(0, False):
            grove.sleep(60)
        order.append("timed")

    def later():
        order.append("later")

    def starts():
        grove.sleep(0)
        grove.sleep(0)
        grove.spawn_later(0, later).join()

    grove.joinall([grove.spawn(each) for each in (waits, timed, starts)])
    assert order == ["waits", "timed", "later"]


def test_a_timeout_that_came_first_counts_though_it_has_ended_meanwhile():
    def ends_late():
        grove.event.Event().wait(0)
        return "late"

    ending = grove.spawn(ends_late)
    waiting = grove.spawn(ending.get, timeout=0)
    with pytest.raises(grove.Timeout):
        waiting.get()
    assert ending.get() == "late"
