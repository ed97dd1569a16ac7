"""Timeout and with_timeout."""

import gc
import time
import weakref

import grove
import pytest
from grove import Timeout


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
