"""Group and Pool."""

import gc
import weakref

import grove
import grove.event
import pytest
from awaiting import one_after_another
from grove.pool import Group, IMap, IMapUnordered, Pool, PoolFull, pass_value


def test_group_forgets_who_finished():
    group = Group()
    assert not group and group.join()
    greenlets = [group.spawn(grove.sleep, 0.01) for _ in range(3)]
    assert len(group) == 3 and set(group) == set(greenlets)
    assert greenlets[0] in group
    assert not group.join(timeout=0)
    assert group.join(timeout=60)
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
    group.kill(timeout=60)
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
    group.kill(timeout=60)
    assert not group


def test_kill_without_waiting():
    """It returns at once; they end afterwards, and those that come meanwhile and
    then are left alone."""
    group, order = Group(), []

    class Enough(Exception):
        """What they are killed with."""

    def run():
        try:
            grove.sleep(10)
        except Enough:
            order.append("told")
            later.append(group.spawn(grove.sleep, 10))
            grove.sleep(0)
            order.append("ended")

    later = []
    started = [group.spawn(run) for _ in range(2)]
    grove.sleep(0)
    never = group.spawn(order.append, "never")
    assert group.kill(Enough, block=False) is None
    assert order == [] and len(group) == 3
    assert not any(g.ready() for g in started)
    grove.joinall([*started, never], timeout=60)
    assert order == ["told"] * 2 + ["ended"] * 2
    assert all(g.ready() and g.successful() for g in started)
    assert isinstance(never.exception, Enough)
    assert set(group) == set(later)
    assert not any(g.ready() for g in later)
    group.kill(block=False, timeout=0.001)
    assert not any(g.ready() for g in later)
    group.join(timeout=60)
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
    assert pool.wait_available(timeout=60) == 1
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
    assert pool.spawn(pool.apply, len, ("ab",)).get(timeout=60) == 2


def test_imap():
    pool = Pool(3)

    places = [2, 0, 1]
    assert list(pool.imap(one_after_another(3), places)) == places
    assert list(pool.imap_unordered(one_after_another(3), places)) == sorted(places)
    assert list(pool.imap(pow, [2, 3], [3, 2], maxsize=1)) == [8, 9]


def test_imap_raises():
    def items():
        yield 1
        raise KeyError("source")

    results = Pool(1).imap(str, items())
    assert next(results) == "1"
    with pytest.raises(KeyError):
        next(results)


# ---- members -----------------------------------------------------------------


def test_a_member_leaves_where_it_ends():
    pool, seen = Pool(1), []
    first = pool.spawn(lambda: None)
    first.link(lambda g: seen.append(len(pool)))
    first.join()
    assert len(pool) == 0 and pool._semaphore.counter == 1 and not pool.dying
    grove.sleep(0)
    assert seen == [0]


def test_greenlets_of_all_kinds():
    class Mine(grove.Greenlet):
        pass

    group = Group()
    group.greenlet_class = Mine
    mine = group.spawn(len, "abc")
    assert type(mine) is Mine and mine in group
    raw = grove.spawn_raw(grove.sleep, 0)
    group.add(raw)
    assert raw in group and len(group) == 2
    assert mine.get() == 3
    group.discard(raw)
    assert not group
    ended = grove.spawn(len, "a")
    ended.join()
    group.add(ended)
    assert ended in group and group.join(timeout=60)
    assert Pool(1, Mine).spawn(len, "a").__class__ is Mine


def test_what_is_added_twice_is_there_once():
    pool = Pool(2)
    g = grove.spawn(grove.sleep, 0)
    pool.add(g)
    pool.add(g, blocking=False)
    assert len(pool) == 1 and pool._semaphore.counter == 1
    g.join()
    assert len(pool) == 0 and pool._semaphore.counter == 2


def test_discard_gives_room_back():
    pool = Pool(1)
    g = pool.spawn(grove.sleep, 10)
    pool.discard(g)
    assert pool.free_count() == 1 == pool._semaphore.counter and not g.ready()
    pool.discard(g)
    g.kill()
    assert pool._semaphore.counter == 1


def test_a_greenlet_that_cannot_be_made():
    pool = Pool(1)
    with pytest.raises(TypeError):
        pool.spawn(3)
    with pytest.raises(AttributeError):
        pool.start(object())
    pool.discard(next(iter(pool)))
    assert pool.free_count() == 1 == pool._semaphore.counter


def test_overridden_steps_are_called():
    calls = []

    class Mine(Pool):
        def start(self, greenlet, *args, **kwargs):
            calls.append("start")
            super().start(greenlet, *args, **kwargs)

        def add(self, greenlet, *args, **kwargs):
            calls.append("add")
            super().add(greenlet, *args, **kwargs)

        def _discard(self, greenlet):
            calls.append("_discard")
            super()._discard(greenlet)

    pool = Mine(2)
    pool.spawn(len, "a").join()
    assert pool.join(timeout=60) and calls == ["start", "add", "_discard"]

    class Counting(Group):
        def add(self, greenlet):
            calls.append("group add")
            super().add(greenlet)

    group = Counting()
    group.spawn(len, "a").join()
    assert calls[3:] == ["group add"] and not group


def test_what_celery_does_with_the_semaphore():
    """Growing and shrinking by the counter, and looking at it."""
    pool = Pool(1)
    pool.spawn(grove.sleep, 0)
    assert pool._semaphore.counter == 0
    pool._semaphore.counter += 1
    pool.size += 1
    assert pool.free_count() == 1
    second = pool.spawn(grove.sleep, 0)
    assert pool.full() and second in pool
    pool.join()
    pool._semaphore.counter -= 1
    pool.size -= 1
    assert pool.free_count() == 1 and len(pool) == 0


def test_before_init():
    class Late(Pool):
        def __init__(self):
            pass

    for use in (len, list, lambda p: p.spawn(len, "a"), lambda p: 1 in p):
        with pytest.raises(RuntimeError, match="__init__.. was not called"):
            use(Late())


def test_groups_and_members_are_collected():
    gc.collect()
    group = Group()
    unstarted = grove.Greenlet(lambda g: None, group)
    group.add(unstarted)
    refs = [weakref.ref(group), weakref.ref(unstarted)]
    del group, unstarted
    gc.collect()
    assert [ref() for ref in refs] == [None, None]
    # A group that goes before its members does not matter to them.
    group = Group()
    g = group.spawn(grove.sleep, 0)
    gone = weakref.ref(group)
    del group
    gc.collect()
    assert gone() is None
    g.join()


# ---- a pool of none ------------------------------------------------------------


def test_a_pool_of_none():
    pool = Pool(0)
    assert pool.full() and pool.free_count() == 0 and pool.size == 0
    assert pool.wait_available(timeout=0.001) == 0
    with pytest.raises(PoolFull):
        pool.add(grove.Greenlet(), blocking=False)
    with pytest.raises(PoolFull):
        pool.start(grove.Greenlet(), timeout=0.001)
    with grove.Timeout(0.001, False):
        pool.spawn(len, "a")
        raise AssertionError("a pool of none has spawned")
    with pytest.raises(grove.exceptions.LoopExit):
        pool.spawn(len, "a")
    assert len(pool) == 0 and pool.join()


def test_bad_sizes():
    with pytest.raises(ValueError, match="size must not be negative: -1"):
        Pool(-1)
    with pytest.raises(TypeError):
        Pool("3")


# ---- maps ----------------------------------------------------------------------


def test_imap_is_a_greenlet():
    pool = Pool(2)
    ordered, unordered = pool.imap(abs, [-1]), pool.imap_unordered(abs, [-2])
    assert isinstance(ordered, IMap) and isinstance(ordered, IMapUnordered)
    assert isinstance(unordered, IMapUnordered) and isinstance(unordered, grove.Greenlet)
    assert [next(ordered), unordered.next()] == [1, 2]
    grove.joinall([ordered, unordered], timeout=60)
    assert ordered.ready() and unordered.successful()
    assert list(IMapUnordered.spawn(abs, [-3], pool.spawn)) == [3]


def test_results_around_a_failure(capsys):
    def fail_at_two(x):
        if x == 2:
            raise KeyError(x)
        return x

    pool = Pool(3)
    for kind in (pool.imap, pool.imap_unordered):
        results, got = kind(fail_at_two, [1, 2, 3]), []
        while True:
            try:
                got.append(next(results))
            except KeyError as error:
                got.append(error.args[0] * 10)
            except StopIteration:
                break
        assert sorted(got) == [1, 3, 20]
        with pytest.raises(StopIteration):
            next(results)
    with pytest.raises(KeyError):
        pool.map(fail_at_two, [1, 2, 3])


def test_an_iterable_that_fails():
    def items():
        yield 1
        raise ValueError("items")

    pool = Pool(2)
    for kind in (pool.imap, pool.imap_unordered):
        results = kind(abs, items())
        assert next(results) == 1
        with pytest.raises(ValueError, match="items"):
            next(results)
        with pytest.raises(StopIteration):
            next(results)
    with pytest.raises(ValueError, match="items"):
        pool.map(abs, items())


@pytest.mark.parametrize("kind", ["imap", "imap_unordered"])
def test_imap_with_a_maxsize_does_not_run_ahead(kind):
    begun = []

    def work(x):
        begun.append(x)
        return x

    results = getattr(Group(), kind)(work, range(100), maxsize=3)
    for _ in range(20):
        grove.sleep(0)
    assert begun == [0, 1, 2]
    assert next(results) == 0
    for _ in range(20):
        grove.sleep(0)
    assert begun == [0, 1, 2, 3]
    assert list(results) == list(range(1, 100))


def test_imap_ends_when_it_is_killed():
    results = Pool(1).imap_unordered(grove.sleep, [0.001, 10, 10])
    assert next(results) is None
    results.kill()
    assert results.ready()


def test_map_waits_for_room_in_the_middle():
    pool, most = Pool(3), []

    def work(x):
        most.append(len(pool))
        grove.sleep(0)
        return -x

    assert pool.map(work, range(50)) == [-x for x in range(50)]
    assert max(most) == 3


def test_callbacks():
    got, pool = [], Pool(2)
    assert pool.apply_cb(len, ("ab",), callback=got.append) == 2
    assert pool.map_cb(len, ["a", "bc"], got.append) == [1, 2]
    grove.sleep(0)
    assert got == [2, [1, 2]]
    pool.apply_async(lambda: 1 / 0, callback=got.append).join()
    grove.sleep(0)
    assert len(got) == 2
    waits = pool.apply_async(len, ("abc",), callback=lambda n: (grove.sleep(0), got.append(n)))
    waits.join()
    grove.sleep(0)
    grove.sleep(0)
    assert got[2:] == [3]


def test_apply_async_never_waits():
    pool = Pool(1)
    blocker = pool.spawn(grove.sleep, 0)
    result = pool.apply_async(len, ("abc",))
    assert not blocker.ready() and result.get() == 3


def test_pass_value():
    got = []
    link = pass_value(got.append)
    assert link == got.append and hash(link) == hash(got.append)
    assert str(link) == str(got.append) and link.__name__ == "append"
    g = grove.spawn(len, "ab")
    g.link(link)
    g.join()
    grove.sleep(0)
    assert got == [2]


def test_kill_gives_up_after_its_timeout():
    group = Group()
    released = []

    def stubborn():
        while not released:
            try:
                grove.sleep(10)
            except grove.GreenletExit:
                pass

    g = group.spawn(stubborn)
    grove.sleep(0)
    group.kill(timeout=0.01)
    assert g in group and group.dying == {g}
    released.append(True)
    grove.kill(g)
    g.join()
    assert not group and not group.dying


def test_kill_with_another_exception(capsys):
    group = Group()
    g = group.spawn(grove.sleep, 10)
    grove.sleep(0)
    group.kill(KeyError("mine"))
    assert isinstance(g.exception, KeyError) and not group


def test_a_pool_is_given_up_by_waiters_in_order():
    pool, order = Pool(1), []
    gate = grove.event.Event()
    pool.spawn(gate.wait)
    for i in range(5):
        grove.spawn(lambda i=i: pool.spawn(order.append, i))
    grove.sleep(0)
    gate.set()
    while len(order) < 5:
        grove.sleep(0)
    assert order == [0, 1, 2, 3, 4]


def test_kill_reaches_those_that_are_added_when_others_end():
    pool = Pool(2)
    begun = []

    def begin(n):
        begun.append(n)
        if n == 1:
            grove.sleep(0)

    consumer = grove.spawn(lambda: list(pool.imap(begin, range(4))))
    while len(begun) < 2:
        grove.sleep(0)
    pool.kill()
    consumer.join()
    assert begun == [0, 1]
