"""ThreadPool, ThreadResult and ThreadPoolExecutor: native threads."""

import concurrent.futures
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import grove
import grove.event
import pytest
from awaiting import HANG, until
from grove.event import Event
from grove.exceptions import InvalidThreadUseError
from grove.threadpool import ThreadPool, ThreadPoolExecutor, ThreadResult

BUILD = Path(grove.__file__).parents[2]


@pytest.fixture
def pool():
    pool = ThreadPool(3)
    yield pool
    pool.kill()
    assert pool.size == 0


@pytest.fixture
def executor():
    with ThreadPoolExecutor(2) as executor:
        yield executor


class Late(Exception):
    pass


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize(
    "exception, raised", [(None, concurrent.futures.TimeoutError), (Late, Late)]
)
@pytest.mark.parametrize("method", ["result", "exception"])
def test_a_timeout_as_an_argument(executor, method, exception, raised, started):
    gate = threading.Event()
    future = executor.submit(gate.wait, HANG)
    timeout = grove.Timeout(0.001, exception)
    if started:
        timeout.start()
    with pytest.raises(raised):
        getattr(future, method)(timeout=timeout)
    assert not timeout.pending and not future.done()
    gate.set()
    assert future.result(timeout=grove.Timeout(HANG)) is True


def python(source, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": str(BUILD / "python")},
        capture_output=True,
        text=True,
        timeout=60,
        **kwargs,
    )


# ---- ThreadPool --------------------------------------------------------------


def test_runs_on_another_thread(pool):
    result = pool.spawn(threading.get_ident)
    assert len(pool) == 1
    assert result.get() != threading.get_ident()
    assert len(pool) == 0 and pool.size == 1
    assert pool.apply(divmod, (7, 2)) == (3, 1)
    assert pool.spawn(dict, a=1).get() == {"a": 1}


def test_greenlets_run_meanwhile(pool):
    gate, order = threading.Event(), []
    grove.spawn(lambda: (order.append("greenlet"), gate.set()))
    assert pool.spawn(gate.wait, 30).get()
    assert order == ["greenlet"]


def test_what_it_raises_is_raised_and_told_of(pool, capsys):
    with pytest.raises(ZeroDivisionError) as info:
        pool.spawn(lambda: 1 / 0).get()
    assert info.traceback[-1].name == "<lambda>"
    assert "failed with ZeroDivisionError" in capsys.readouterr().err


def test_nothing_is_no_function():
    """And nobody's affair but of who asks for its result."""
    pool = ThreadPool(1)
    result = pool.spawn(None)
    result.wait(HANG)
    grove.sleep(0.01)  # in the main greenlet, where it was raised once
    assert isinstance(result.exception, TypeError)
    pool.kill()


def test_spawn_waits_while_it_is_full():
    pool, gate = ThreadPool(1), threading.Event()
    pool.spawn(gate.wait, 30)
    queued = pool.spawn(gate.wait, 30)
    order = []

    def third():
        result = pool.spawn(order.append, "done")
        order.append("spawned")
        result.get()

    g = grove.spawn(third)
    grove.sleep(0)
    assert order == [] and len(pool) == 2 and pool.size == 1
    gate.set()
    g.get()
    assert sorted(order) == ["done", "spawned"] and queued.ready()
    pool.kill()


def test_kill_with_tasks_queued_and_spawns_that_wait():
    pool, gate = ThreadPool(1), threading.Event()
    spawners = [grove.spawn(pool.spawn, gate.wait, 30) for _ in range(5)]
    grove.sleep(0)
    assert [g.ready() for g in spawners] == [True] * 2 + [False] * 3
    killers = [grove.spawn(pool.kill) for _ in range(2)]
    grove.sleep(0)
    assert not any(g.ready() for g in killers) and pool.size == 1
    gate.set()
    grove.joinall(killers, timeout=60, raise_error=True)
    assert all(g.ready() for g in killers) and pool.size == 0
    assert all(g.ready() and g.value.ready() for g in spawners)
    assert pool.apply(len, ("ab",)) == 2
    pool.kill()


def test_kill_in_the_hub_does_not_wait():
    pool = ThreadPool(1)
    pool.apply(len, ((),))
    done = grove.event.Event()
    grove.get_hub().loop.run_callback(lambda: (pool.kill(), done.set()))
    assert done.wait(60)
    pool.kill()
    assert pool.size == 0


def test_no_more_threads_than_are_wanted(pool):
    for _ in range(5):
        pool.apply(len, ("a",))
    assert pool.size == 1
    gate = threading.Barrier(3)
    results = [pool.spawn(gate.wait, 30) for _ in range(3)]
    assert sorted(r.get() for r in results) == [0, 1, 2]
    assert pool.size == 3 == pool.maxsize


def test_another_thread_cannot_spawn(pool):
    def elsewhere():
        with pytest.raises(InvalidThreadUseError):
            pool.spawn(len, "a")
        return pool.apply(len, ("abc",)), threading.get_ident()

    length, ident = pool.apply(elsewhere)
    assert length == 3 and ident != threading.get_ident()


def test_map_and_imap(pool):
    assert pool.map(str, range(20)) == [str(i) for i in range(20)]
    assert list(pool.imap(pow, [2, 3], [3, 2])) == [8, 9]
    assert sorted(pool.imap_unordered(abs, [-1, -2])) == [1, 2]
    got = []
    pool.apply_async(len, ("abc",), callback=got.append).get()
    grove.sleep(0)
    assert got == [3]


def test_join(pool):
    gate = threading.Event()
    results = [pool.spawn(gate.wait, 30) for _ in range(3)]
    joiner = grove.spawn(pool.join)
    grove.sleep(0)
    assert not joiner.ready()
    gate.set()
    joiner.join()
    assert all(r.ready() for r in results)


def test_size(pool):
    pool.size = 2
    assert pool.size == 2
    pool.size = 0
    assert pool.size == 0
    with pytest.raises(ValueError, match="cannot be bigger than maxsize: 4 > 3"):
        pool.size = 4
    with pytest.raises(ValueError, match="cannot be negative: -1"):
        pool.size = -1
    assert pool.apply(len, ("a",)) == 1


def test_maxsize(pool):
    gate = threading.Event()
    for _ in range(4):
        pool.spawn(gate.wait, 30)
    assert pool.size == 3
    waiting = grove.spawn(pool.spawn, gate.wait, 30)
    grove.sleep(0)
    assert not waiting.ready()
    pool.maxsize = 4
    waiting.join()
    assert len(pool) == 5 and pool.size == 4
    gate.set()
    pool.join()
    pool.maxsize = 1
    assert pool.map(len, ["a", "bc", ""]) == [1, 2, 0]
    pool.size = min(pool.size, 1)
    assert pool.size <= 1
    for bad, error in ((-1, ValueError), ("2", TypeError), (None, TypeError)):
        with pytest.raises(error, match="maxsize must"):
            pool.maxsize = bad
        with pytest.raises(error, match="maxsize must"):
            ThreadPool(bad)


def test_maxsize_below_what_runs():
    """It shrinks: what runs goes on, and makes no room until there is less."""
    pool, gate = ThreadPool(3), threading.Event()
    running = [pool.spawn(gate.wait, 30) for _ in range(3)]
    pool.maxsize = 1
    assert pool.size == 3 == len(pool)
    waiting = grove.spawn(pool.spawn, len, "ab")
    grove.sleep(0)
    assert not waiting.ready()
    gate.set()
    grove.wait(running)
    assert waiting.get().get() == 2
    pool.join()
    until(lambda: pool.size == 1)
    gate.clear()
    spawners = [grove.spawn(pool.spawn, gate.wait, 30) for _ in range(4)]
    grove.sleep(0)
    assert [g.ready() for g in spawners] == [True, True, False, False]
    pool.maxsize = 2
    grove.sleep(0)
    grove.sleep(0)
    assert [g.ready() for g in spawners] == [True, True, True, False]
    gate.set()
    grove.joinall(spawners)
    pool.kill()


def test_a_pool_of_none():
    """One task is queued; it runs when there may be a thread."""
    pool = ThreadPool(0)
    first = pool.spawn(len, "a")
    second = grove.spawn(pool.spawn, len, "ab")
    grove.sleep(0)
    assert not second.ready() and pool.size == 0
    pool.maxsize = 1
    assert first.get() == 1 and second.get().get() == 2
    pool.kill()


def test_idle_threads_end():
    pool = ThreadPool(2, idle_task_timeout=0.01)
    before = threading.active_count()
    assert pool.map(len, ["a", "b"]) == [1, 1]
    with grove.Timeout(60):
        while pool.size:
            grove.sleep(0.01)
    assert pool.apply(len, ("abc",)) == 3
    assert threading.active_count() == before
    pool.kill()


def test_threads_end_with_the_pool():
    pool = ThreadPool(1)
    pool.apply(len, ("a",))
    workers, gone = pool._workers, weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None
    with grove.Timeout(60):
        while workers.size:
            grove.sleep(0.01)


def test_profile_and_trace_of_new_threads():
    events = []
    threading.setprofile(lambda frame, event, arg: events.append(event))
    try:
        pool = ThreadPool(1)
        pool.apply(len, ("a",))
        pool.kill()
    finally:
        threading.setprofile(None)
    assert "call" in events


def test_current_thread_leaves_nothing_behind(pool):
    before = set(threading._active)
    pool.apply(threading.current_thread)
    pool.kill()
    with grove.Timeout(60):
        while set(threading._active) != before:
            grove.sleep(0.01)


def test_a_killed_waiter_does_not_matter(pool):
    gate = threading.Event()
    waiter = grove.spawn(pool.apply, gate.wait, (60,))
    grove.sleep(0)
    waiter.kill()
    gate.set()
    pool.join()
    assert len(pool) == 0 and pool.apply(len, ("a",)) == 1


def test_results_come_without_polling(pool):
    """While a task runs the hub's thread makes one wait, not many."""
    gate = threading.Event()
    pool.apply(len, ("a",))
    before = time.thread_time()
    timer = threading.Timer(0.3, gate.set)
    timer.start()
    pool.apply(gate.wait, (60,))
    assert time.thread_time() - before < 0.1
    timer.join()


def test_keeps_the_hub_from_loop_exit():
    result = python(
        "import time, grove.threadpool as t\n"
        "print(t.ThreadPool(1).spawn(lambda: time.sleep(0.05) or 'waited').get())"
    )
    assert result.stdout == "waited\n", result.stderr


def test_fork():
    result = python(
        "import os, threading, grove, grove.threadpool as t\n"
        "pool, gate = t.ThreadPool(2), threading.Event()\n"
        "other = pool.spawn(gate.wait, 30)\n"
        "pool.apply(len, ('a',))\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    ok = pool.size == 0 and len(pool) == 0 and pool.apply(len, ('ab',)) == 2\n"
        "    os._exit(0 if ok else 1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
        "gate.set()\n"
        "print(other.get(), pool.apply(len, ('abc',)))\n"
    )
    assert result.stdout == "True 3\n", result.stderr


# ---- ThreadResult ------------------------------------------------------------


def test_thread_result():
    got, hub = [], grove.get_hub()
    result = ThreadResult(
        lambda r: got.append((r.successful(), r.value, r.exception, r.exc_info)),
        hub,
        lambda: got.append("ready"),
    )
    thread = threading.Thread(target=result.set, args=(5,))
    thread.start()
    thread.join()
    assert got == []
    grove.sleep(0.001)
    assert got == ["ready", (True, 5, None, ())]
    with pytest.raises(RuntimeError, match="given a result before"):
        result.set(6)


def test_thread_result_of_a_failure(capsys):
    got = []
    result = ThreadResult(lambda r: got.append((r.successful(), r.exception)), grove.get_hub())
    error = KeyError("x")
    with pytest.raises(TypeError, match="exc_info must be"):
        result.handle_error("context", (1, 2))
    result.handle_error("the context", (KeyError, error, None))
    grove.sleep(0.001)
    assert got == [(False, error)]
    assert "the context failed with KeyError" in capsys.readouterr().err


def test_thread_result_closed():
    got = []
    result = ThreadResult(got.append, grove.get_hub())
    result.close()
    result.set(1)
    grove.sleep(0.001)
    assert got == []


# ---- ThreadPoolExecutor ------------------------------------------------------


def test_submit_and_map(executor):
    assert isinstance(executor, concurrent.futures.Executor)
    future = executor.submit(pow, 2, 5)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result() == 32 and future.exception() is None and future.done()
    assert list(executor.map(len, ["a", "bc"])) == [1, 2]
    assert executor.submit(threading.get_ident).result() != threading.get_ident()


def test_futures_raise(executor):
    future = executor.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        future.result()
    assert isinstance(future.exception(), ZeroDivisionError)


def test_greenlets_run_while_one_waits_for_a_future(executor):
    gate, order = threading.Event(), []
    grove.spawn(lambda: (order.append("greenlet"), gate.set()))
    assert executor.submit(gate.wait, 30).result()
    assert order == ["greenlet"]


@pytest.mark.parametrize(
    "wait",
    [
        lambda f: concurrent.futures.wait([f]).done,
        lambda f: list(concurrent.futures.as_completed([f], timeout=60)),
        lambda f: grove.wait([f]),
        lambda f: f.exception() or [f],
    ],
)
def test_greenlets_run_meanwhile_in_every_kind_of_wait(executor, wait):
    gate, order = threading.Event(), []
    future = executor.submit(gate.wait, 30)
    grove.spawn(lambda: (order.append("greenlet"), gate.set()))
    assert list(wait(future)) == [future]
    assert order == ["greenlet"] and future.result()


def test_wait_first_completed(executor):
    gate = threading.Event()
    slow, fast = executor.submit(gate.wait, 30), executor.submit(len, "a")
    done, not_done = concurrent.futures.wait([slow, fast], return_when="FIRST_COMPLETED")
    assert done == {fast} and not_done == {slow}
    gate.set()


def test_timeouts(executor):
    gate = threading.Event()
    future = executor.submit(gate.wait, 30)
    for call in (future.result, future.exception):
        for timeout in (0, 0.001):
            with pytest.raises(concurrent.futures.TimeoutError):
                call(timeout=timeout)
    assert concurrent.futures.wait([future], timeout=0.001).not_done == {future}
    with grove.Timeout(0.001, False):
        future.result()
    gate.set()
    assert future.result()


def test_waiting_on_another_thread(executor):
    gate, got = threading.Event(), []
    future = executor.submit(gate.wait, 30)
    threads = [
        threading.Thread(target=lambda: got.append(future.result())),
        threading.Thread(
            target=lambda: got.append(concurrent.futures.wait([future]).done == {future})
        ),
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(30)
    assert got == [True, True]


def test_done_callbacks_run_in_the_hub(executor):
    gate, got = threading.Event(), []
    future = executor.submit(gate.wait, 30)

    def done(future):
        got.append((future.result(), grove.getcurrent() is grove.get_hub()))

    future.add_done_callback(done)
    future.add_done_callback(lambda f: 1 / 0)
    future.rawlink(done)
    future.rawlink(got.append)
    future.unlink(got.append)
    gate.set()
    future.result()
    grove.sleep(0.001)
    assert got == [(True, True)] * 2
    future.add_done_callback(lambda f: got.append("now"))
    assert got[2:] == ["now"]


def test_cancel(executor):
    gate = threading.Event()
    running = [executor.submit(gate.wait, 30) for _ in range(2)]
    pending = executor.submit(len, "a")
    assert pending.cancel() and pending.cancelled()
    with pytest.raises(concurrent.futures.CancelledError):
        pending.result()
    gate.set()
    assert [f.result() for f in running] == [True, True]
    assert executor.submit(len, "ab").result() == 2


def test_shutdown():
    executor, gate = ThreadPoolExecutor(max_workers=1), threading.Event()
    running, pending = executor.submit(gate.wait, 30), executor.submit(len, "a")
    executor.shutdown(wait=False, cancel_futures=True)
    assert pending.cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(len, "a")
    grove.spawn(gate.set)
    executor.shutdown()
    assert running.done() and executor._native.size == 0


def test_initializer_and_names():
    seen = []
    with ThreadPoolExecutor(1, "worker", seen.append, ("begun",)) as executor:
        name = executor.submit(lambda: threading.current_thread().name).result()
    assert name == "worker_0" and seen == ["begun"]


def test_an_initializer_that_fails(caplog):
    gate = threading.Event()
    with ThreadPoolExecutor(1, initializer=lambda: gate.wait(60) and 1 / 0) as executor:
        future = executor.submit(len, "a")
        gate.set()
        with pytest.raises(concurrent.futures.BrokenExecutor):
            future.result()
        with pytest.raises(concurrent.futures.BrokenExecutor):
            executor.submit(len, "a")
    assert "Exception in initializer" in caplog.text


def test_arguments_are_checked():
    with pytest.raises(ValueError):
        ThreadPoolExecutor(0)
    with pytest.raises(TypeError):
        ThreadPoolExecutor(1, initializer=3)


def test_submitted_calls_are_made_before_the_end():
    result = python(
        "import time, grove.threadpool as t\n"
        "e = t.ThreadPoolExecutor(1)\n"
        "e.submit(lambda: time.sleep(0.05) or print('done', flush=True))\n"
    )
    assert result.stdout == "done\n", result.stderr


def test_idle_threads_do_not_keep_the_hub_from_loop_exit(pool):
    pool.apply(len, ("a",))
    with pytest.raises(grove.exceptions.LoopExit):
        grove.event.Event().wait()


# ---- tasks that wait as greenlets do, for what nobody does any more ---------


def test_a_task_that_nobody_can_wake_gets_loop_exit(pool):
    """As main waits for it, which alone could."""
    with pytest.raises(grove.exceptions.LoopExit):
        pool.apply(lambda: Event().wait())


def test_a_task_that_waited_before_main_did_gets_loop_exit(pool):
    event = Event()
    task = pool.spawn(event.wait)
    until(event.linkcount)
    with pytest.raises(grove.exceptions.LoopExit):
        task.get()


def test_all_tasks_that_nobody_can_wake_get_loop_exit(pool):
    events = [Event(), Event()]
    tasks = [pool.spawn(event.wait) for event in events]
    until(lambda: all(event.linkcount() for event in events))
    for task in tasks:
        with pytest.raises(grove.exceptions.LoopExit):
            task.get()


def test_a_task_that_another_task_wakes(pool):
    """It computes, for all that is known, until the other waits and main does."""
    event, go = Event(), threading.Event()
    waiting = pool.spawn(event.wait)
    until(event.linkcount)
    setting = pool.spawn(lambda: (go.wait(HANG), event.set()))
    threading.Timer(0.01, go.set).start()
    assert waiting.get() is True
    setting.get()


def test_a_task_that_main_wakes_later(pool):
    event = Event()
    waiting = pool.spawn(event.wait)
    until(event.linkcount)
    later = grove.spawn_later(0.01, event.set)
    assert waiting.get() is True
    later.get()


def test_tasks_that_wait_while_others_are_queued(pool):
    """What has been put and not begun may wake them."""
    for _ in range(50):
        event = Event()
        tasks = [pool.spawn(event.wait), pool.spawn(event.set)]
        assert tasks[0].get() is True
        tasks[1].get()
