"""Queues: what goes in and comes out, who waits for it."""

import gc
import weakref

import grove
import pytest
from grove import queue
from grove.queue import (
    Channel,
    Empty,
    Full,
    JoinableQueue,
    LifoQueue,
    PriorityQueue,
    Queue,
    ShutDown,
    SimpleQueue,
    UnboundQueue,
)

ALL = [SimpleQueue, Queue, PriorityQueue, LifoQueue, UnboundQueue]
LIMITED = [SimpleQueue, Queue, PriorityQueue, LifoQueue]


def in_hub(function, *args):
    """function(*args), called in the Hub: its result, or what it raised."""
    got = []

    def call():
        try:
            got.append(function(*args))
        except Exception as error:
            got.append(error)

    grove.get_hub().loop.run_callback(call)
    grove.sleep(0)
    return got[0]


@pytest.fixture(params=ALL)
def any_queue(request):
    return request.param()


# ---- the names ---------------------------------------------------------------


def test_names():
    import queue as standard

    assert JoinableQueue is Queue
    assert Empty is standard.Empty and Full is standard.Full
    assert issubclass(PriorityQueue, Queue) and issubclass(LifoQueue, Queue)
    assert issubclass(Queue, SimpleQueue) and not issubclass(Channel, SimpleQueue)
    assert ShutDown is getattr(standard, "ShutDown", ShutDown)
    assert set(queue.__implements__) <= set(queue.__all__)
    assert Queue[int].__origin__ is Queue and Channel[int].__origin__ is Channel


# ---- in and out --------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, order",
    [
        (SimpleQueue, [3, 1, 2]),
        (Queue, [3, 1, 2]),
        (UnboundQueue, [3, 1, 2]),
        (PriorityQueue, [1, 2, 3]),
        (LifoQueue, [2, 1, 3]),
    ],
)
def test_order(kind, order):
    filled, given = kind(), kind(items=[3, 1, 2])
    for item in (3, 1, 2):
        filled.put(item)
    for q in (filled, given, given.copy()):
        assert q.qsize() == len(q) == 3
        assert [q.peek(), q.peek_nowait()] == order[:1] * 2
        assert [q.get(), q.get_nowait(), q.get(block=False)] == order
        assert q.empty() and not q.full() and bool(q)


def test_maxsize():
    q = Queue(2)
    assert q.maxsize == 2
    q.put(1)
    assert not q.full()
    q.put(2)
    assert q.full()
    for put in (
        lambda: q.put_nowait(3),
        lambda: q.put(3, block=False),
        lambda: q.put(3, timeout=0),
        lambda: q.put(3, True, 0.001),
    ):
        with pytest.raises(Full):
            put()
    assert len(q) == 2


def test_no_limit():
    for q in (Queue(), Queue(None), Queue(-1), SimpleQueue(-5), UnboundQueue(None)):
        assert q.maxsize is None
        for i in range(100):
            q.put_nowait(i)
        assert not q.full() and len(q) == 100
    with pytest.warns(DeprecationWarning, match="use Channel"):
        assert Queue(0).maxsize is None
    with pytest.raises(ValueError, match="UnboundQueue has no maxsize: 3"):
        UnboundQueue(3)
    for kind in LIMITED:
        with pytest.raises(TypeError, match="maxsize must be an integer or None, not '3'"):
            kind("3")


def test_queue_of_zero_still_holds_items():
    with pytest.warns(DeprecationWarning):
        q = Queue(0)
    q.put(1, timeout=0)
    assert not q.full() and q.get_nowait() == 1


def test_setting_maxsize_lets_those_who_wait_go_on():
    q = Queue(1, [0])
    putters = [grove.spawn(q.put, i) for i in (1, 2)]
    grove.sleep(0)
    q.maxsize = 2
    grove.sleep(0)
    assert [g.ready() for g in putters] == [True, False]
    q.maxsize = None
    grove.joinall(putters, timeout=60)
    assert [q.get() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(TypeError, match="maxsize must be an integer or None"):
        q.maxsize = "x"


@pytest.mark.parametrize("kind", [*ALL, Channel])
def test_bad_timeouts(kind):
    q = kind()
    for call in (q.get, lambda **k: q.put(1, **k), getattr(q, "peek", q.get)):
        with pytest.raises(ValueError, match="'timeout' must be a non-negative number"):
            call(timeout=-1)
        with pytest.raises(TypeError):
            call(timeout="soon")
    with pytest.raises(TypeError):
        q.put()
    with pytest.raises(TypeError, match="unexpected keyword argument 'blocking'"):
        q.get(blocking=True)


def test_empty(any_queue):
    q = any_queue
    for get in (q.get_nowait, q.peek_nowait):
        with pytest.raises(Empty):
            get()
    for get in (q.get, q.peek):
        with pytest.raises(Empty):
            get(timeout=0)
        with pytest.raises(Empty):
            get(block=False)
        with pytest.raises(Empty):
            get(True, 0.001)


def test_before_init():
    for kind in ALL:
        q = kind.__new__(kind)
        with pytest.raises(RuntimeError, match="__init__ was not called"):
            q.put(1)
        assert repr(q).startswith(f"<{kind.__name__} at ")


# ---- waiting -----------------------------------------------------------------


def test_get_waits(any_queue):
    getters = [grove.spawn(any_queue.get) for _ in range(3)]
    grove.sleep(0)
    assert any_queue.getters == getters
    for i in range(3):
        any_queue.put(i)
    grove.joinall(getters, timeout=60)
    # All three are there before the first getter's turn comes.
    order = [2, 1, 0] if type(any_queue) is LifoQueue else [0, 1, 2]
    assert [g.value for g in getters] == order
    assert any_queue.getters == [] and any_queue.empty()


@pytest.mark.parametrize("kind", LIMITED)
def test_put_waits(kind):
    q, order = kind(1), []

    def put(i):
        q.put(i)
        order.append(i)

    putters = [grove.spawn(put, i) for i in range(4)]
    grove.sleep(0)
    assert order == [0] and q.putters == putters[1:]
    assert [q.get(timeout=60) for _ in range(4)] == [0, 1, 2, 3]
    grove.joinall(putters, timeout=60)
    assert order == [0, 1, 2, 3] and q.putters == []


def test_peek_waits():
    q = Queue()
    peekers = [grove.spawn(q.peek) for _ in range(2)]
    getter, last = grove.spawn(q.get), grove.spawn(q.get)
    grove.sleep(0)
    q.put(1)
    grove.joinall([*peekers, getter], timeout=60)
    assert [g.value for g in (*peekers, getter)] == [1, 1, 1]
    assert not last.ready()
    q.put(2)
    assert last.get(timeout=60) == 2


def test_a_getter_that_dies_passes_its_item_on():
    q = Queue()
    first, second = grove.spawn(q.get), grove.spawn(q.get)
    grove.sleep(0)
    first.kill(block=False)
    q.put("item")  # for the first, which has yet to die
    assert second.get(timeout=60) == "item"
    third = grove.spawn(q.get)
    grove.sleep(0)
    third.kill(block=False)
    q.put("other")
    third.join()
    assert q.get_nowait() == "other" and q.empty()


@pytest.mark.parametrize("kind", [Queue, LifoQueue, PriorityQueue])
def test_items_are_in_the_queue_until_a_getter_runs(kind):
    q = kind()
    getter = grove.spawn(q.get)
    grove.sleep(0)
    q.put(1)
    assert len(q) == 1 and q.get_nowait() == 1  # it may be taken before
    grove.sleep(0)
    assert not getter.ready() and q.getters == [getter]
    getter.kill(block=False)
    q.put(2)
    getter.join()
    assert q.get_nowait() == 2


def test_a_putter_that_dies_passes_its_room_on():
    q = Queue(1, ["a"])
    first, second = grove.spawn(q.put, "b"), grove.spawn(q.put, "c")
    grove.sleep(0)
    first.kill(block=False)
    assert q.get() == "a"
    second.join(timeout=60)
    assert second.successful() and q.get() == "c" and q.empty()


def test_a_woken_getter_that_finds_nothing_stays_first():
    class Mine(Queue):
        def _put(self, item):
            super()._put(item)

    q = Mine()
    first, second = grove.spawn(q.get), grove.spawn(q.get)
    grove.sleep(0)
    q.put(1)
    assert q.get_nowait() == 1  # before the first has run
    grove.sleep(0)
    q.put(2)
    grove.sleep(0)
    assert first.ready() and first.value == 2 and not second.ready()
    second.kill()


def test_timeouts_leave_nothing_behind():
    q = Queue(1)
    for _ in range(3):
        with pytest.raises(Empty):
            q.get(timeout=0.001)
    q.put(1)
    with pytest.raises(Full):
        q.put(2, timeout=0.001)
    with grove.Timeout(0.001, False):
        q.put(2)
    assert q.getters == q.putters == []
    assert q.get() == 1 and q.empty()


def test_loop_exit():
    with pytest.raises(grove.exceptions.LoopExit):
        Queue().get()
    with pytest.raises(grove.exceptions.LoopExit):
        Queue(1, [1]).put(2)


# ---- from the Hub --------------------------------------------------------------


def test_the_hub_does_not_wait():
    q = Queue(1)
    assert isinstance(in_hub(q.get), Empty)
    assert isinstance(in_hub(q.peek), Empty)
    assert in_hub(q.put, 1) is None
    assert isinstance(in_hub(q.put, 2), Full)
    assert in_hub(q.get) == 1


def test_the_hub_wakes_those_who_wait():
    q = Queue()
    getter = grove.spawn(q.get)
    grove.sleep(0)
    assert in_hub(q.put_nowait, 10) is None
    assert getter.get(timeout=60) == 10
    q = Queue(1, [1])
    putter = grove.spawn(q.put, 2)
    grove.sleep(0)
    assert in_hub(q.get_nowait) == 1
    putter.join(timeout=60)
    assert in_hub(q.get_nowait) == 2


# ---- iteration, copies, looks ----------------------------------------------------


def test_iteration_ends_with_stop_iteration(any_queue):
    class Last:
        pass

    if isinstance(any_queue, PriorityQueue):
        q = PriorityQueue(items=[1, 2])
        assert next(q) == 1 and q.next() == 2
        q.put(StopIteration)
        assert list(q) == []
        return
    q = type(any_queue)(items=[StopIteration, 1] if isinstance(any_queue, LifoQueue) else [1, StopIteration])
    assert iter(q) is q and list(q) == [1]
    q.put(StopIteration)
    with pytest.raises(StopIteration):
        q.next()


def test_copy():
    q = Queue(5, [1, 2])
    q.put(3)
    q.get()
    other = q.copy()
    assert other.maxsize == 5 and list(other.queue) == [2, 3]
    assert other.unfinished_tasks == q.unfinished_tasks == 3
    other.put(4)
    assert len(q) == 2
    simple = SimpleQueue(3, "ab").copy()
    assert type(simple) is SimpleQueue and simple.maxsize == 3 and len(simple) == 2


def test_repr():
    q = Queue(1)
    assert str(q) == "<Queue maxsize=1>"
    q.put("x")
    assert str(q) == "<Queue maxsize=1 queue=deque(['x']) tasks=1>"
    putter = grove.spawn(q.put, 2)
    grove.sleep(0)
    assert str(q).endswith(" putters[1]>")
    assert repr(q).startswith("<Queue at 0x") and repr(q).endswith(str(q)[7:])
    putter.kill()
    q.put_nowait if q.get() is None else None
    q.maxsize = None
    q.put(q)
    assert "queue=deque([...])" in str(q)
    assert str(SimpleQueue()) == "<SimpleQueue>"


def test_hub():
    assert Queue().hub is grove.get_hub() and Channel().hub is grove.get_hub()


# ---- subclasses ------------------------------------------------------------------


def test_steps_can_be_overridden():
    class Unique(Queue):
        """In the manner of the standard library's documentation."""

        def _init(self, maxsize):
            self.given = maxsize
            self.queue = set()

        def _put(self, item):
            self.queue.add(item)

        def _get(self):
            return self.queue.pop()

    q = Unique(5, [1, 1])
    assert q.given == 5 and q.queue == {1} and q.unfinished_tasks == 1
    q.put(1)
    assert len(q) == 1 and q.get() == 1 and q.empty()
    getter = grove.spawn(q.get)
    grove.sleep(0)
    q.put(7)
    assert getter.get(timeout=60) == 7


def test_create_queue_and_qsize():
    class Pairs(Queue):
        def _create_queue(self, items=()):
            return [*items, "created"]

        def _put(self, item):
            self.queue.append(item)

        def _get(self):
            return self.queue.pop(0)

        def _peek(self):
            return ("peeked", self.queue[0])

        def _qsize(self):
            return len(self.queue) // 2

    q = Pairs(2, ["given"])
    assert q.queue == ["given", "created"] and q.qsize() == len(q) == 1
    assert q.peek() == ("peeked", "given")
    assert q.get() == "given"
    with pytest.raises(Empty):
        q.get_nowait()
    for i in range(3):
        q.put_nowait(i)
    assert q.full()


def test_a_step_that_fails():
    class Fails(Queue):
        size = 0

        def _put(self, item):
            raise KeyError(item)

        def _get(self):
            raise ValueError("get")

        def _qsize(self):
            return self.size

    q = Fails()
    q.size = 1
    with pytest.raises(KeyError):
        q.put(1)
    with pytest.raises(ValueError):
        q.get()
    q.size = "x"
    with pytest.raises(TypeError):
        q.qsize()
    assert Queue(items=[1])._get() == 1


def test_subclasses_can_have_attributes_and_weak_references():
    class Mine(Queue):
        def __init__(self, name, **kwargs):
            super().__init__(**kwargs)
            self.name = name

    q = Mine("it", maxsize=3)
    q.put(q)
    gone = weakref.ref(q)
    assert q.name == "it" and q.maxsize == 3
    del q
    gc.collect()
    assert gone() is None


# ---- tasks, shutdown -------------------------------------------------------------


def test_join():
    q = Queue()
    assert q.join() is True
    q.put(1)
    q.put(2)
    assert q.unfinished_tasks == 2 and q.join(timeout=0.001) is False
    joiners = [grove.spawn(q.join) for _ in range(2)]
    for _ in range(2):
        q.get()
        assert not joiners[0].ready()
        q.task_done()
        grove.sleep(0)
    assert [g.value for g in joiners] == [True, True]
    with pytest.raises(ValueError, match="called too many times"):
        q.task_done()


def test_unfinished_tasks():
    assert Queue(items=[1, 2]).unfinished_tasks == 2
    assert Queue(items=[1, 2], unfinished_tasks=5).unfinished_tasks == 5
    with pytest.raises(ValueError, match="must not be negative: -1"):
        Queue(unfinished_tasks=-1)
    q = Queue()
    q.unfinished_tasks = 3
    assert q.unfinished_tasks == 3 and not q.join(timeout=0)
    q.unfinished_tasks = 0
    assert q.join()


def test_handed_over_items_count_as_tasks():
    q = Queue()
    getter = grove.spawn(q.get)
    grove.sleep(0)
    q.put(1)
    assert q.unfinished_tasks == 1
    getter.join()
    q.task_done()
    assert q.join(timeout=60)


def test_shutdown():
    q = Queue(2, [1, 2])
    putter = grove.spawn(q.put, 3)
    grove.sleep(0)
    q.shutdown()
    assert q.is_shutdown
    with pytest.raises(ShutDown):
        putter.get(timeout=60)
    for put in (q.put, q.put_nowait):
        with pytest.raises(ShutDown):
            put(4)
    assert [q.get(), q.peek(), q.get_nowait()] == [1, 2, 2]
    for get in (q.get, q.get_nowait, q.peek):
        with pytest.raises(ShutDown):
            get()
    q.task_done()
    q.task_done()
    assert q.join(timeout=60)


def test_shutdown_wakes_getters():
    q = Queue()
    getters = [grove.spawn(q.get), grove.spawn(q.peek)]
    grove.sleep(0)
    q.shutdown()
    for g in getters:
        with pytest.raises(ShutDown):
            g.get(timeout=60)


def test_shutdown_immediate():
    q = Queue(items=[1, 2])
    joiner = grove.spawn(q.join)
    grove.sleep(0)
    q.shutdown(immediate=True)
    assert joiner.get(timeout=60) and q.empty() and q.unfinished_tasks == 0
    with pytest.raises(ShutDown):
        q.get()


# ---- Channel ---------------------------------------------------------------------


def test_channel_hands_over():
    c, order = Channel(), []

    def put(i):
        c.put(i)
        order.append(i)

    putters = [grove.spawn(put, i) for i in range(3)]
    grove.sleep(0)
    assert order == [] and c.balance == 3 and c.putters == putters
    assert c.full() and c.empty() and c.qsize() == 0 and c.maxsize == 1
    assert [c.get(), c.get_nowait(), next(c)] == [0, 1, 2]
    grove.joinall(putters, timeout=60)
    assert order == [0, 1, 2] and c.balance == 0

    getters = [grove.spawn(c.get) for _ in range(2)]
    grove.sleep(0)
    assert c.balance == -2 and c.getters == getters
    c.put("a")
    c.put_nowait("b")
    assert [g.get(timeout=60) for g in getters] == ["a", "b"]


def test_channel_without_a_partner():
    c = Channel()
    for call in (c.get_nowait, lambda: c.get(False), lambda: c.get(timeout=0.001)):
        with pytest.raises(Empty):
            call()
    for call in (
        lambda: c.put_nowait(1),
        lambda: c.put(1, False),
        lambda: c.put(1, timeout=0.001),
    ):
        with pytest.raises(Full):
            call()
    assert c.balance == 0
    for bad in (0, 2, None, "1"):
        with pytest.raises(ValueError, match="Channels have a maxsize of 1"):
            Channel(bad)


def test_channel_from_the_hub():
    c = Channel()
    assert isinstance(in_hub(c.get), Empty) and isinstance(in_hub(c.put, 1), Full)
    getter = grove.spawn(c.get)
    grove.sleep(0)
    assert in_hub(c.put, 5) is None and getter.get(timeout=60) == 5
    putter = grove.spawn(c.put, 6)
    grove.sleep(0)
    assert in_hub(c.get) == 6
    putter.join(timeout=60)


def test_channel_keeps_the_item_of_a_killed_getter():
    c = Channel()
    first, second = grove.spawn(c.get), grove.spawn(c.get)
    grove.sleep(0)
    first.kill(block=False)
    c.put(1)
    assert second.get(timeout=60) == 1
    third = grove.spawn(c.get)
    grove.sleep(0)
    third.kill(block=False)
    putter = grove.spawn(c.put, 2)
    third.join()
    assert c.get_nowait() == 2 and putter.get(timeout=60) is None
    with pytest.raises(Empty):
        c.get_nowait()


def test_channel_iteration_and_looks():
    c = Channel()
    grove.spawn(lambda: [c.put(x) for x in (1, 2, StopIteration)])
    assert str(c) == "<Channel>"
    grove.sleep(0)
    assert str(c) == "<Channel putters[1]>" and repr(c).startswith("<Channel at 0x")
    assert list(c) == [1, 2]
    grove.sleep(0)
    gone = weakref.ref(c)
    del c
    assert gone() is None


def test_a_killed_putter_takes_its_item_along():
    c = Channel()
    putter = grove.spawn(c.put, 1)
    grove.sleep(0)
    putter.kill()
    with pytest.raises(Empty):
        c.get_nowait()


# ---- nothing is lost -------------------------------------------------------------


@pytest.mark.parametrize("kind", [SimpleQueue, PriorityQueue, Channel])
@pytest.mark.parametrize("seed", range(5))
def test_random_traffic_loses_nothing(kind, seed):
    """Producers and consumers, some killed at random; what was put is got."""
    from random import Random

    random = Random(seed)
    q = kind() if kind is Channel else kind(3)
    put, got = [], []

    def produce(n):
        for i in range(20):
            item = n * 100 + i
            q.put(item)
            put.append(item)
            if random.random() < 0.3:
                grove.sleep(0)

    def consume():
        while True:
            item = q.get()
            got.append(item)
            if random.random() < 0.3:
                grove.sleep(0)

    producers = [grove.spawn(produce, n) for n in range(6)]
    consumers = [grove.spawn(consume) for _ in range(4)]
    while not all(p.ready() for p in producers):
        victim = random.randrange(len(consumers))
        consumers[victim].kill(block=random.random() < 0.5)
        consumers[victim] = grove.spawn(consume)
        grove.sleep(0)
    while len(got) < len(put):
        grove.sleep(0)
    grove.killall(consumers)
    assert sorted(got) == sorted(put) and len(set(put)) == 120
