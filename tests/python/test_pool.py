"""Group and Pool."""

import grove
import pytest
from grove.pool import Group, Pool, PoolFull


def test_group_forgets_who_finished():
    group = Group()
    assert not group and group.join()
    greenlets = [group.spawn(grove.sleep, 0.01) for _ in range(3)]
    assert len(group) == 3 and set(group) == set(greenlets)
    assert greenlets[0] in group
    assert not group.join(timeout=0)
    assert group.join(timeout=1)
    assert len(group) == 0


def test_group_of_given_greenlets():
    greenlets = [grove.spawn(grove.sleep, 0) for _ in range(2)]
    group = Group(greenlets)
    group.discard(greenlets[0])
    assert list(group) == [greenlets[1]]
    group.join()
    with pytest.raises(TypeError):
        Group(1, 2)


def test_join_raises_errors(capsys):
    group = Group()
    group.spawn(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        group.join(raise_error=True)


def test_kill():
    group = Group()
    started = group.spawn(grove.sleep, 10)
    grove.sleep(0)
    never = group.spawn(grove.sleep, 10)
    group.kill(timeout=5)
    assert started.dead and never.dead and not group


def test_kill_reaches_those_added_meanwhile():
    group = Group()

    def stubborn():
        try:
            grove.sleep(10)
        finally:
            group.spawn(grove.sleep, 10)

    group.spawn(stubborn)
    grove.sleep(0)
    group.kill(timeout=5)
    assert not group


def test_killone():
    group = Group()
    one, other = group.spawn(grove.sleep, 10), group.spawn(grove.sleep, 10)
    grove.sleep(0)
    group.killone(one)
    grove.sleep(0)
    assert list(group) == [other]
    group.kill()


def test_pool_waits_for_room():
    pool, order = Pool(2), []

    def work(i):
        order.append(i)
        grove.sleep(0.01)

    for i in range(4):
        pool.spawn(work, i)
        assert len(pool) <= 2
    pool.join()
    assert order == [0, 1, 2, 3]
    assert pool.free_count() == 2 and pool.size == 2 and not pool.full()


def test_pool_full():
    pool = Pool(1)
    pool.spawn(grove.sleep, 0.02)
    assert pool.full() and pool.free_count() == 0
    extra = grove.Greenlet(grove.sleep, 0)
    with pytest.raises(PoolFull):
        pool.add(extra, blocking=False)
    with pytest.raises(PoolFull):
        pool.start(extra, timeout=0.001)
    assert pool.wait_available(timeout=1) == 1
    assert pool._semaphore.counter == 1
    with pytest.raises(ValueError):
        Pool(-1)


def test_pool_without_limit():
    pool = Pool()
    for _ in range(100):
        pool.spawn(grove.sleep, 0)
    assert pool.free_count() == 1 and not pool.full()
    pool.join()


def test_apply_and_map():
    pool = Pool(3)
    assert pool.apply(divmod, (7, 2)) == (3, 1)
    assert pool.map(lambda x: x * x, range(10)) == [x * x for x in range(10)]
    got = []
    assert pool.apply_async(len, ("abc",), callback=got.append).get() == 3
    grove.sleep(0)
    assert got == [3]
    assert pool.map_async(str, [1, 2], callback=got.append).get() == ["1", "2"]
    assert got == [3, ["1", "2"]]


def test_apply_from_a_member():
    pool = Pool(1)
    assert pool.spawn(pool.apply, len, ("ab",)).get(timeout=1) == 2


def test_imap():
    pool = Pool(3)

    def slow(seconds):
        grove.sleep(seconds)
        return seconds

    times = [0.03, 0.01, 0.02]
    assert list(pool.imap(slow, times)) == times
    assert list(pool.imap_unordered(slow, times)) == sorted(times)
    assert list(pool.imap(pow, [2, 3], [3, 2], maxsize=1)) == [8, 9]


def test_imap_raises():
    def items():
        yield 1
        raise KeyError("source")

    results = Pool(1).imap(str, items())
    assert next(results) == "1"
    with pytest.raises(KeyError):
        next(results)
