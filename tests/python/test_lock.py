"""Semaphores and RLock."""

import grove
import pytest
from grove.lock import BoundedSemaphore, DummySemaphore, RLock, Semaphore


def test_counts():
    semaphore = Semaphore(2)
    assert semaphore.acquire() and semaphore.acquire()
    assert semaphore.locked() and not semaphore.ready()
    assert not semaphore.acquire(blocking=False)
    assert not semaphore.acquire(timeout=0.01)
    assert semaphore.release() == 1
    with semaphore:
        assert semaphore.counter == 0
    assert semaphore.counter == 1
    with pytest.raises(ValueError):
        Semaphore(-1)


def test_first_come_first_served():
    semaphore, order = Semaphore(0), []

    def take(name):
        semaphore.acquire()
        order.append(name)
        semaphore.release()

    takers = [grove.spawn(take, name) for name in "abc"]
    grove.sleep(0)
    assert semaphore.release() == 1
    grove.joinall(takers, timeout=60, raise_error=True)
    assert order == ["a", "b", "c"] and semaphore.counter == 1


def test_who_was_overtaken_is_handed_the_next_release():
    semaphore = Semaphore(0)
    taker = grove.spawn(semaphore.acquire)
    grove.sleep(0)
    assert semaphore.release() == 1
    assert semaphore.acquire(blocking=False)  # before the taker's turn
    grove.sleep(0)
    assert not taker.ready()
    assert semaphore.release() == 0
    assert not semaphore.acquire(blocking=False)
    assert taker.get(timeout=60) is True


def test_killed_taker_passes_its_turn_on():
    semaphore = Semaphore(0)
    first = grove.spawn(semaphore.acquire)
    second = grove.spawn(semaphore.acquire)
    grove.sleep(0)
    first.kill(block=False)
    semaphore.release()  # first's turn, but it is killed before it knows
    assert second.get(timeout=60) is True
    assert semaphore.counter == 0


def test_timed_out_taker_is_forgotten():
    semaphore = Semaphore(0)
    assert not semaphore.acquire(timeout=0.01)
    semaphore.release()
    assert semaphore.counter == 1


def test_wait_takes_nothing():
    semaphore = Semaphore(0)
    waiter = grove.spawn(semaphore.wait)
    assert semaphore.wait(timeout=0.01) == 0
    semaphore.release()
    assert waiter.get(timeout=60) == 1 and semaphore.counter == 1


def test_bounded():
    semaphore = BoundedSemaphore(1)
    with semaphore:
        pass
    with pytest.raises(ValueError):
        semaphore.release()


def test_dummy():
    semaphore = DummySemaphore()
    with semaphore:
        assert semaphore.acquire() and semaphore.wait() == 1
    assert not semaphore.locked() and semaphore.ready()


def test_rlock():
    lock = RLock()
    with lock:
        with lock:
            assert lock._is_owned()
        other = grove.spawn(lock.acquire, timeout=0.01)
        assert other.get() is False
        other = grove.spawn(lock.acquire, timeout=-1)
        assert other.get(timeout=60) is False
        with pytest.raises(RuntimeError):
            grove.spawn(lock.release).get()
    assert not lock.locked()
    with pytest.raises(RuntimeError):
        lock.release()


def test_condition_on_an_rlock():
    import threading

    condition = threading.Condition(RLock())
    with condition:
        state = condition._release_save()
        assert not condition._is_owned()
        condition._acquire_restore(state)
