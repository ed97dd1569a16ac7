"""Event and AsyncResult."""

import grove
import pytest
from grove.event import AsyncResult, Event


def test_event_wakes_in_order():
    event, order = Event(), []

    def wait(name):
        order.append((name, event.wait()))

    waiters = [grove.spawn(wait, name) for name in "abc"]
    grove.sleep(0)
    assert not event.is_set() and event.linkcount() == 3
    event.set()
    event.clear()  # they go on nevertheless
    grove.joinall(waiters, timeout=60, raise_error=True)
    assert order == [("a", True), ("b", True), ("c", True)]
    assert event.linkcount() == 0


def test_event_time_out():
    event = Event()
    assert event.wait(0.01) is False
    assert event.wait(0) is False
    event.set()
    assert event.wait(0) is True and event.ready()
    assert event.linkcount() == 0


def test_another_timeout_is_not_swallowed():
    with pytest.raises(grove.Timeout), grove.Timeout(0.01):
        Event().wait(5)


def test_killed_waiter_leaves_no_link():
    event = Event()
    waiter = grove.spawn(event.wait)
    grove.sleep(0)
    waiter.kill()
    assert event.linkcount() == 0


def test_links():
    event, called = Event(), []
    event.rawlink(called.append)
    other = called.append
    event.rawlink(other)
    event.unlink(other)
    event.unlink(print)
    event.set()
    grove.sleep(0)
    assert called == [event]
    event.rawlink(called.append)
    grove.sleep(0)
    assert called == [event, event]
    with pytest.raises(TypeError):
        event.rawlink(None)


def test_failing_link_is_told_of_and_others_are_called(capsys):
    event, called = Event(), []

    def fail(source):
        raise KeyError("from a link")

    event.rawlink(fail)
    event.rawlink(called.append)
    event.set()
    grove.sleep(0.01)
    assert called == [event]
    assert "from a link" in capsys.readouterr().err


def test_wait_of_several():
    events = [Event() for _ in range(3)]
    events[1].set()
    assert grove.wait(events, count=1) == [events[1]]


def test_result():
    result = AsyncResult()
    assert not result.ready() and result.value is None
    with pytest.raises(grove.Timeout):
        result.get(block=False)
    with pytest.raises(grove.Timeout):
        result.get(timeout=0.01)
    assert result.wait(timeout=0.01) is None
    getter = grove.spawn(result.get)
    grove.sleep(0)
    result.set(5)
    assert getter.get(timeout=60) == 5
    assert result.get_nowait() == result.result() == result.wait() == 5
    assert result.successful() and result.exc_info == () and result.done()
    assert not result.cancel() and not result.cancelled()


def test_result_that_is_an_exception():
    result = AsyncResult()
    error = KeyError("x")
    result.set_exception(error)
    with pytest.raises(KeyError):
        result.get()
    assert result.exception is error and not result.successful()
    assert result.exc_info[:2] == (KeyError, error)
    assert result.wait() is None


@pytest.mark.parametrize("other", [1, "no", None, int])
def test_result_that_is_set_to_what_is_no_exception(other):
    result = AsyncResult()
    getter = grove.spawn(result.get)
    grove.sleep(0)
    result.set_exception(other)
    assert result.ready() and not result.successful()
    assert result.exception is other
    assert result.exc_info == (type(other), other, None)
    with pytest.raises(TypeError, match=f"BaseException, not {other!r}"):
        result.get()
    getter.join()
    assert isinstance(getter.exception, TypeError)


def test_result_as_a_link():
    good, bad = AsyncResult(), AsyncResult()
    grove.spawn(lambda: 5).link(good)

    def fail():
        raise grove.Timeout(1)

    greenlet = grove.spawn(fail)
    greenlet.link(bad)
    assert good.get(timeout=60) == 5
    with pytest.raises(grove.Timeout) as caught:
        bad.get()
    assert caught.value is greenlet.exception


def test_wait_returns_the_value_there_was_though_others_set_another_meanwhile():
    result = AsyncResult()
    result.rawlink(lambda source: None)  # which is due before wait() returns
    first = grove.spawn(result.set, "first")
    waiter = grove.spawn(result.wait)
    second = grove.spawn(result.set, "second")
    grove.joinall([first, second])
    assert waiter.get() == "first" and result.get() == "second"
