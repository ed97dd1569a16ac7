"""Objects that are waited for and linked to: by greenlets of one hub, of several,
and by plain threads."""

import gc
import subprocess
import sys
import threading
import weakref

import grove
import pytest
from grove.event import AsyncResult, Event
from grove.exceptions import BlockingSwitchOutError, LoopExit
from grove.lock import BoundedSemaphore, DummySemaphore, RLock, Semaphore
from grove.sync.linkable import AbstractLinkable


@pytest.fixture(autouse=True)
def hub():
    """Without one, links are called at once."""
    return grove.get_hub()


# ---- links


def test_links_are_called_in_order_and_once():
    event, called = Event(), []
    for name in "abc":
        event.rawlink(lambda source, name=name: called.append((name, source)))
    assert event.linkcount() == 3
    event.set()
    assert called == []  # in the hub, not here
    grove.sleep(0)
    assert called == [("a", event), ("b", event), ("c", event)]
    event.clear()
    event.set()
    grove.sleep(0)
    assert len(called) == 3 and event.linkcount() == 0


def test_links_and_waiters_go_in_the_order_they_came():
    event, order = Event(), []

    def wait(name):
        event.wait()
        order.append(name)

    grove.spawn(wait, "first")
    grove.sleep(0)
    event.rawlink(lambda _: order.append("link"))
    last = grove.spawn(wait, "last")
    grove.sleep(0)
    event.set()
    last.join(timeout=60)
    assert order == ["first", "link", "last"]


@pytest.mark.parametrize(
    "make", [lambda: ready_event(), lambda: ready_result(), Semaphore]
)
def test_a_link_to_what_is_ready_is_called_soon(make):
    called = []
    linkable = make()
    linkable.rawlink(called.append)
    grove.sleep(0)
    assert called == [linkable]


def ready_event():
    event = Event()
    event.set()
    return event


def ready_result():
    result = AsyncResult()
    result.set(1)
    return result


def test_unlink():
    event, called = Event(), []
    event.rawlink(called.append)
    event.unlink(called.append)  # an equal one
    event.unlink(print)  # none
    event.rawlink(called.append)
    event.set()
    event.unlink(called.append)  # due already
    grove.sleep(0)
    assert called == [] and event.linkcount() == 0


def test_a_link_may_unlink_the_next():
    event, called = Event(), []

    def first(_):
        called.append(1)
        event.unlink(second)

    def second(_):
        called.append(2)

    event.rawlink(first)
    event.rawlink(second)
    event.set()
    grove.sleep(0)
    assert called == [1]


def test_a_link_must_be_callable():
    for linkable in (Event(), AsyncResult(), Semaphore()):
        with pytest.raises(TypeError, match="3"):
            linkable.rawlink(3)


def test_a_link_that_fails_is_reported_and_the_others_are_called(capsys):
    event, called = Event(), []

    def fails(_):
        raise ValueError("on purpose")

    event.rawlink(fails)
    event.rawlink(called.append)
    event.set()
    grove.sleep(0)
    assert called == [event]
    assert "on purpose" in capsys.readouterr().err


def test_comparing_links_may_fail():

    class Odd:
        def __call__(self, _):
            pass

        def __eq__(self, other):
            raise ValueError("no comparing")

    event = Event()
    event.rawlink(Odd())
    with pytest.raises(ValueError, match="no comparing"):
        event.unlink(Odd())
    assert event.linkcount() == 1


def test_links_do_not_keep_alive_in_a_cycle():
    event = Event()
    gone = weakref.ref(event)
    event.rawlink(lambda _, event=event: None)
    del event
    gc.collect()
    assert gone() is None


def test_subclasses_define_ready():

    class Box(AbstractLinkable):
        full = False

        def ready(self):
            return self.full

    box, called = Box(), []
    box.rawlink(called.append)
    waiter = grove.spawn(box._wait, 5)
    grove.sleep(0)
    box._check_and_notify()
    grove.sleep(0)
    assert called == [] and box._wait(timeout=0) is False
    box.full = True
    box._check_and_notify()
    assert waiter.get(timeout=60) is True and called == [box]
    with pytest.raises(NotImplementedError):
        AbstractLinkable().ready()


@pytest.mark.parametrize("kind", [Event, AsyncResult, Semaphore, BoundedSemaphore])
def test_subclasses_have_attributes(kind):

    class Mine(kind):
        extra = 1

    mine = Mine()
    mine.other = 2
    assert mine.other == 2 and weakref.ref(mine)() is mine
    with pytest.raises(AttributeError):
        kind().other = 2


def test_hub_is_that_of_who_waited_first():
    event = Event()
    assert event.hub is None
    event.wait(timeout=0)
    assert event.hub is grove.get_hub()
    event._at_fork_reinit()
    assert event.hub is None


def test_at_fork_reinit_keeps_who_waits_as_with_gevent():
    event, called = Event(), []
    waiter = grove.spawn(event.wait, 60)
    event.rawlink(called.append)
    grove.sleep(0)
    event._at_fork_reinit()
    assert event.linkcount() == 2
    event.set()
    assert waiter.get(timeout=60) is True
    assert called == [event]


# ---- event, result


def test_event_set_and_cleared_is_seen_by_those_who_waited():
    event = Event()
    waiter = grove.spawn(event.wait)
    grove.sleep(0)
    event.set()
    event.clear()
    assert waiter.get(timeout=60) is True
    assert event.wait(timeout=0) is False


def test_timeouts_of_zero_give_a_turn():
    order = []
    grove.spawn(order.append, "other")
    assert Event().wait(timeout=0) is False
    assert order == ["other"]


def test_a_killed_waiter_leaves():
    event = Event()
    waiter = grove.spawn(event.wait)
    grove.sleep(0)
    assert event.linkcount() == 1
    waiter.kill()
    assert event.linkcount() == 0


def test_async_result_takes_exceptions_and_classes():
    result = AsyncResult()
    with pytest.raises(TypeError, match="triple"):
        result.set_exception(ValueError(), 3)
    result.set_exception(ValueError)
    with pytest.raises(ValueError):
        result.get()
    assert result.exc_info[0] is ValueError and result.value is None
    assert not result.successful() and result.done()
    result.set(5)
    assert result.get() == result.result() == 5 and result.exc_info == ()


def test_async_result_does_not_grow_its_traceback():
    result = AsyncResult()
    try:
        raise ValueError
    except ValueError as error:
        result.set_exception(error)
    lengths = set()
    for _ in range(3):
        try:
            result.get()
        except ValueError as error:
            tb, n = error.__traceback__, 0
            while tb:
                tb, n = tb.tb_next, n + 1
            lengths.add(n)
    assert len(lengths) == 1


# ---- threads


def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def test_a_plain_thread_ends_waits():
    event, result, semaphore = Event(), AsyncResult(), Semaphore(0)

    def end_them():
        event.set()
        result.set("value")
        semaphore.release()

    waits = [
        grove.spawn(event.wait),
        grove.spawn(result.get),
        grove.spawn(semaphore.acquire),
    ]
    grove.sleep(0)
    thread = in_thread(end_them)
    grove.joinall(waits, timeout=60)
    assert [wait.value for wait in waits] == [True, "value", True]
    thread.join()


def test_no_loop_exit_while_another_thread_may_set():
    event, go = Event(), threading.Event()

    def set_late():
        go.wait(10)
        event.set()

    thread = in_thread(set_late)
    grove.get_hub().loop.run_callback_threadsafe(go.set)
    assert event.wait() is True  # without a timeout: nothing else is to come
    thread.join()


def test_loop_exit_when_the_last_thread_that_may_set_has_ended():
    go = threading.Event()
    thread = in_thread(go.wait, 10)
    grove.get_hub().loop.run_callback(go.set)
    with pytest.raises(LoopExit):
        Event().wait()
    thread.join()


def test_of_hubs_that_wait_for_each_other_one_gets_loop_exit():
    mine, theirs, ended = Event(), Event(), []

    def other():
        theirs.wait()
        mine.set()
        ended.append("other")

    thread = in_thread(other)
    while not theirs.linkcount():
        grove.sleep(0.001)
    # Both wait now; whoever comes last can be woken by nobody.
    with pytest.raises(LoopExit):
        mine.wait()
    theirs.set()
    assert mine.wait() is True
    thread.join()
    assert ended == ["other"]


def test_waits_in_threads_without_a_hub():
    event, results = Event(), []
    threads = [
        in_thread(lambda: results.append(event.wait(timeout=60))) for _ in range(3)
    ]
    while event.linkcount() < 3:
        grove.sleep(0.001)
    event.set()
    for thread in threads:
        thread.join()
    assert results == [True] * 3


def test_a_lock_shared_by_threads():
    lock, counter = RLock(), [0]

    def count():
        for _ in range(200):
            with lock, lock:
                value = counter[0]
                grove.sleep(0)
                counter[0] = value + 1

    def greenlets():
        grove.joinall([grove.spawn(count) for _ in range(2)], raise_error=True)

    threads = [in_thread(greenlets) for _ in range(3)] + [in_thread(count)]
    greenlets()
    for thread in threads:
        thread.join(60)
    assert counter == [200 * (2 * 4 + 1)]


def test_a_thread_that_ends_passes_its_turn_on():
    semaphore, parked = Semaphore(0), threading.Event()

    def leave_a_waiter():
        grove.spawn(semaphore.acquire)
        grove.sleep(0)
        parked.set()

    thread = in_thread(leave_a_waiter)
    assert parked.wait(10)
    taker = grove.spawn(semaphore.acquire)
    grove.sleep(0)
    thread.join()  # its greenlet waits no more
    semaphore.release()
    assert taker.get(timeout=60) is True


def test_links_are_called_in_the_hub_that_made_them():
    result, where = AsyncResult(), []
    linked, main = threading.Event(), threading.get_ident()

    def link():
        hub = grove.get_hub()
        result.rawlink(lambda _: where.append(threading.get_ident()))
        linked.set()
        hub.join(timeout=0.01)
        grove.wait([result], timeout=60)
        grove.sleep(0)

    thread = in_thread(link)
    assert linked.wait(10)
    result.rawlink(lambda _: where.append(threading.get_ident()))
    result.set()
    thread.join()
    grove.sleep(0)
    assert sorted(where) == sorted([main, thread.ident])


def test_without_any_hub_links_are_called_at_once():
    called = []

    def link():
        result = AsyncResult()
        result.rawlink(called.append)
        result.set(1)
        called.append("after")

    in_thread(link).join()
    assert len(called) == 2 and called[1] == "after"


def test_wait_and_iwait_for_objects_that_other_threads_set():
    results = [AsyncResult() for _ in range(3)]

    def set_all():
        for i in (2, 0, 1):
            results[i].set(i)

    thread = in_thread(set_all)
    assert sorted(r.value for r in grove.wait(results, timeout=60)) == [0, 1, 2]
    thread.join()


# ---- the hub, forks


def test_in_the_hub_only_what_does_not_wait():
    seen = []

    def callback():
        seen.append(Semaphore(1).acquire())
        seen.append(Semaphore(0).acquire(blocking=False))
        seen.append(ready_event().wait())
        seen.append(ready_result().get())
        for wait in (Event().wait, Semaphore(0).acquire, AsyncResult().get):
            with pytest.raises(BlockingSwitchOutError):
                wait()
        seen.append("done")

    grove.get_hub().loop.run_callback(callback)
    grove.sleep(0)
    assert seen == [True, False, True, 1, "done"]


FORK = """
import os, threading
import grove
from grove.event import Event
from grove.lock import RLock, Semaphore

event, semaphore, lock = Event(), Semaphore(0), RLock()
lock.acquire()
waiting = [grove.spawn(event.wait), grove.spawn(semaphore.acquire)]

def another_thread():
    lock.acquire()

thread = threading.Thread(target=another_thread, daemon=True)
thread.start()
while not lock._block.linkcount():
    grove.sleep(0.001)

pid = os.fork()
if pid == 0:
    event.set()
    semaphore.release()
    assert len(grove.joinall(waiting, timeout=60)) == 2
    assert lock._block.linkcount() == 0  # that thread is not here
    lock.release()
    with lock:
        grove.sleep(0.001)
    os._exit(42)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
lock.release()
thread.join()
event.set()
semaphore.release()
grove.joinall(waiting, raise_error=True)
"""


def test_fork_with_waiters_and_locks_held():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


def test_dummy_semaphore():
    dummy = DummySemaphore(3)
    with dummy:
        assert dummy.acquire() is True and dummy.wait() == 1
    assert dummy.release() is None and not dummy.locked() and dummy.ready()


def test_timeouts_can_be_timeout_objects():
    timeout = grove.Timeout(0.001)
    with timeout, pytest.raises(grove.Timeout):
        AsyncResult().get(timeout=timeout)


def test_counter_may_be_set():
    semaphore = Semaphore(0)
    taker = grove.spawn(semaphore.acquire)
    grove.sleep(0)
    semaphore.counter = 2
    assert taker.get(timeout=60) and semaphore.counter == 1
    with pytest.raises(ValueError):
        semaphore.counter = -1
    with pytest.raises(TypeError):
        Semaphore("x")
    with pytest.raises(TypeError):
        Event(1)


def test_waits_at_the_end_of_the_program_do_not_hang():
    program = (
        "import threading, grove\n"
        "from grove.event import Event\n"
        "def wait():\n"
        "    try: Event().wait()\n"
        "    except grove.hub.LoopExit: print('ended')\n"
        "threading.Thread(target=wait).start()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (result.stdout, result.returncode) == ("ended\n", 0), result.stderr
