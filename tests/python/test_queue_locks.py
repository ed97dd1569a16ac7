"""The locks and conditions of the standard library's Queue, on ours."""

import threading

import grove
import pytest
from grove.queue import Empty, Full, LifoQueue, PriorityQueue, Queue, SimpleQueue


def test_names():
    for kind in (Queue, LifoQueue, PriorityQueue):
        q = kind()
        for name in ("mutex", "not_empty", "not_full", "all_tasks_done"):
            assert getattr(q, name) is getattr(q, name)
        assert q.queue is not None and q.unfinished_tasks == 0
    assert not hasattr(SimpleQueue(), "mutex")


def test_what_programs_do_with_the_mutex():
    """Emptying a queue, as it is done everywhere."""
    q = Queue(items=[1, 2, 3])
    joiner = grove.spawn(q.join)
    grove.sleep(0)
    with q.mutex:
        q.queue.clear()
        q.unfinished_tasks = 0
        q.all_tasks_done.notify_all()
    assert joiner.get(timeout=60) and q.empty()
    with q.mutex:
        unfinished = q.unfinished_tasks - 1
        assert unfinished == -1 and len(q.queue) == 0


def test_others_wait_while_the_mutex_is_held():
    q, order = Queue(), []

    def put():
        q.put(1)
        order.append("put")

    def get():
        order.append(q.get())

    with q.mutex:
        greenlets = [grove.spawn(put), grove.spawn(get)]
        for _ in range(5):
            grove.sleep(0)
        assert order == []
        q.put(0)  # the holder may
    grove.joinall(greenlets, timeout=60)
    assert sorted(map(str, order)) == ["0", "put"] and q.get_nowait() == 1


def test_the_mutex_keeps_native_threads_out():
    q, entered = Queue(), threading.Event()

    def put():
        entered.set()
        q.put(1)

    thread = threading.Thread(target=put)
    with q.mutex:
        thread.start()
        entered.wait(60)
        grove.sleep(0.01)
        assert q.queue.__len__() == 0
    assert q.get(timeout=60) == 1
    thread.join()


def test_the_hub_does_not_wait_for_the_mutex():
    q, got = Queue(), []
    with q.mutex:
        grove.get_hub().loop.run_callback(lambda: (q.put(1), got.append(q.get())))
        grove.sleep(0)
    assert got == [1]


def test_notify_lets_a_getter_look_again():
    q = Queue()
    getters = [grove.spawn(q.get) for _ in range(3)]
    grove.sleep(0)
    with q.not_empty:
        q.queue.append("a")
        q.not_empty.notify()
    assert getters[0].get(timeout=60) == "a" and not getters[1].ready()
    with q.not_empty:
        q.queue.extend("bc")
        q.not_empty.notify_all()
    grove.joinall(getters, timeout=60)
    assert [g.value for g in getters] == ["a", "b", "c"]


def test_notify_lets_a_putter_look_again():
    q = Queue(1, ["a"])
    putter = grove.spawn(q.put, "b")
    grove.sleep(0)
    with q.mutex:
        q.queue.clear()
        q.not_full.notify()
    putter.join(timeout=60)
    assert list(q.queue) == ["b"]


def test_waiting_in_a_condition():
    q, order = Queue(1), []

    def wait(condition, name):
        with condition:
            assert condition.wait(timeout=60)
            order.append(name)

    waiting = [
        grove.spawn(wait, q.not_empty, "not_empty"),
        grove.spawn(wait, q.not_full, "not_full"),
        grove.spawn(wait, q.all_tasks_done, "all_tasks_done"),
    ]
    grove.sleep(0)
    q.put(1)
    waiting[0].join(timeout=60)
    q.get()
    waiting[1].join(timeout=60)
    q.task_done()
    waiting[2].join(timeout=60)
    assert order == ["not_empty", "not_full", "all_tasks_done"]


def test_condition_timeouts_and_errors():
    q = Queue()
    with pytest.raises(RuntimeError, match="not held"):
        q.not_empty.wait()
    with pytest.raises(RuntimeError, match="not held"):
        q.not_empty.notify()
    with q.not_empty:
        assert q.not_empty.wait(0.001) is False
        assert q.not_empty.wait_for(lambda: 0, timeout=0.001) == 0
        assert q.not_empty.wait_for(lambda: "at once") == "at once"
    assert not q.mutex.locked()


def test_a_subclass_of_the_standard_librarys_kind():
    """put and get written with the conditions, as subclasses in the wild do."""

    class Mine(Queue):
        def put_first(self, item):
            with self.not_full:
                if self.maxsize and self._qsize() >= self.maxsize:
                    raise Full
                self.queue.appendleft(item)
                self.unfinished_tasks += 1
                self.not_empty.notify()

        def drain(self):
            with self.not_empty:
                while not self._qsize():
                    self.not_empty.wait()
                items = list(self.queue)
                self.queue.clear()
                self.not_full.notify_all()
                return items

    q = Mine(2)
    drained = grove.spawn(q.drain)
    grove.sleep(0)
    q.put_first(2)
    assert drained.get(timeout=60) == [2]
    q.put(3)
    q.put_first(1)
    with pytest.raises(Full):
        q.put_first(0)
    putter = grove.spawn(q.put, 4)
    grove.sleep(0)
    assert q.drain() == [1, 3]
    putter.join(timeout=60)
    assert q.get_nowait() == 4 and q.unfinished_tasks == 4
    with pytest.raises(Empty):
        q.get_nowait()
