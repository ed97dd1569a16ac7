"""The modules _thread, threading and queue, patched: each case in a process of
its own, which says nothing on standard error."""

import subprocess
import sys
import textwrap

import pytest

PATCH = """
from grove import monkey
monkey.patch_thread()
monkey.patch_queue()
monkey.patch_time()
"""


def run(source, *, begin=PATCH, errors=""):
    """What source prints, in lines, run after `begin`."""
    result = subprocess.run(
        [sys.executable, "-c", begin + textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert errors in result.stderr if errors else not result.stderr, result.stderr
    return result.stdout.splitlines()


# ---- identities --------------------------------------------------------------


def test_names_are_those_of_the_package():
    run("""
        import _thread, _threading_local, queue, threading
        import grove.event, grove.local, grove.queue, grove.thread, grove.threading
        assert threading.local is _thread._local is grove.local.local
        assert _threading_local.local is grove.local.local
        assert threading.Lock is _thread.allocate_lock is grove.thread.LockType
        assert type(threading.RLock()) is grove.thread.RLock
        assert threading.Event is grove.event.Event
        assert queue.SimpleQueue is grove.queue.SimpleQueue
        assert queue.Queue is grove.queue.Queue
        assert threading.get_ident is grove.thread.get_ident
        for name in ("local", "Thread", "Lock", "get_ident", "Event"):
            assert monkey.is_object_patched("threading", name), name
        native = monkey.get_original("_thread", "allocate_lock")
        assert native is not threading.Lock
        assert isinstance(threading.main_thread(), threading.Thread)
        """)


def test_under_the_names_of_gevent():
    run(
        """
        import grove
        grove.install_as_gevent()
        import types
        import gevent.thread, gevent.threading, gevent.monkey, gevent.local
        from gevent import thread
        gevent.monkey.patch_thread()
        import threading, _thread
        assert isinstance(thread, types.ModuleType)
        assert threading.local is gevent.local.local
        assert _thread.start_new_thread is thread.start_new_thread
        assert gevent.threading.Lock is thread.LockType
        """,
        begin="",
    )


def test_only_what_was_asked_for():
    run(
        """
        import _thread, threading, _threading_local, logging
        before = threading.Event, _threading_local.local, logging._lock
        native_local = threading.local
        from grove import monkey
        monkey.patch_thread(Event=False, _threading_local=False, logging=False)
        assert before == (threading.Event, _threading_local.local, logging._lock)
        assert threading.local is not native_local
        """,
        begin="",
    )
    run(
        """
        import _thread, threading
        before = dict(vars(threading))
        from grove import monkey, thread
        monkey.patch_thread(threading=False)
        assert _thread.allocate_lock is thread.LockType
        assert dict(vars(threading)) == before
        """,
        begin="",
    )


def test_patched_twice_nothing_is_replaced_again():
    run("""
        import logging, threading
        logging.basicConfig()
        monkey.patch_thread()
        handler = logging.getLogger().handlers[0]
        locks = [threading._active_limbo_lock, logging._lock, handler.lock]
        shutdown = threading._shutdown
        native = dict(monkey.saved["threading"])
        monkey.patch_thread()
        assert locks == [threading._active_limbo_lock, logging._lock, handler.lock]
        assert threading._shutdown is shutdown
        assert monkey.saved["threading"] == native
        """)


def test_numbers():
    run("""
        import threading, _thread, grove
        from grove.thread import get_ident
        native = monkey.get_original("_thread", "get_ident")
        main = threading.main_thread()
        # The main one keeps its own.
        assert main is threading.current_thread()
        assert main.ident == threading.get_ident() == native()
        assert get_ident(grove.getcurrent()) == native()
        g = grove.spawn(lambda: (threading.get_ident(), native()))
        assert g.get() == (get_ident(g), native()) != (native(), native())
        assert get_ident(g) == id(g)
        assert grove.get_hub().thread_ident == native()
        assert grove.get_hub().main_hub
        """)


def test_the_hub_knows_its_main_thread_when_it_is_made_late():
    run("""
        import grove
        assert grove.get_hub().loop.default
        """)


# ---- threads -------------------------------------------------------------------


def test_threads_are_greenlets_and_take_turns():
    run("""
        import threading, grove
        order = []
        def body(name):
            assert threading.current_thread().name == name
            assert isinstance(grove.getcurrent(), grove.Greenlet)
            order.append(name)
            grove.sleep(0)
            grove.sleep(0)
            order.append(name)
        threads = [threading.Thread(target=body, args=(n,), name=n) for n in "ab"]
        for t in threads:
            assert not t.is_alive() and t.ident is None
            t.start()
            assert t.is_alive() and t in threading.enumerate()
        for t in threads:
            t.join()
            assert not t.is_alive() and t.ident is not None
        assert order == ["a", "b", "a", "b"], order
        assert threading.enumerate() == [threading.main_thread()]
        assert threading.active_count() == 1
        """)


def test_a_class_made_before_patching_is_joined():
    run(
        """
        import threading
        class Early(threading.Thread):
            def run(self):
                assert threading.current_thread() is self
                self.seen = isinstance(grove.getcurrent(), grove.Greenlet)
        import grove
        from grove import monkey
        monkey.patch_thread()
        early = Early()
        early.start()
        early.join(60)
        assert early.seen and not early.is_alive()
        """,
        begin="",
    )


def test_join_of_a_thread_that_waits_times_out():
    run("""
        import threading
        gate = threading.Event()
        t = threading.Thread(target=gate.wait)
        t.start()
        t.join(0.01)
        assert t.is_alive()
        t.join(0)
        t.join(-1)
        gate.set()
        t.join()
        assert not t.is_alive()
        """)


def test_misuse():
    run("""
        import _thread, threading
        def fails(error, call, *args):
            try:
                call(*args)
            except error:
                return
            raise AssertionError(f"{call} did not raise {error}")
        t = threading.Thread(target=threading.Event().wait, args=(0.001,))
        fails(RuntimeError, t.join)
        t.start()
        fails(RuntimeError, t.start)
        t.join()
        fails(RuntimeError, threading.current_thread().join)
        lock = threading.Lock()
        fails(RuntimeError, lock.release)
        fails(ValueError, lock.acquire, False, 1)
        fails(ValueError, lock.acquire, True, -2)
        fails(OverflowError, lock.acquire, True, 1e100)
        fails(TypeError, lock.acquire, True, "1")
        fails(RuntimeError, threading.RLock().release)
        fails(ValueError, threading.RLock().acquire, False, 1)
        fails(RuntimeError, threading.RLock()._release_save)
        fails(TypeError, threading.Lock, 1)
        fails(TypeError, type, "Derived", (threading.Lock,), {})
        fails(TypeError, _thread.start_new_thread, 1, ())
        fails(TypeError, _thread.start_new_thread, print, [])
        fails(TypeError, _thread.start_new_thread, print, (), 1)
        """)


def test_excepthook():
    lines = run("""
        import threading
        def hook(args):
            print(args.exc_type.__name__, args.thread.name)
        threading.excepthook = hook
        t = threading.Thread(target=lambda: 1 / 0, name="divides")
        t.start(); t.join()
        """)
    assert lines == ["ZeroDivisionError divides"]


def test_start_new_thread():
    run("""
        import _thread, grove
        seen = []
        def body(*args, **kwargs):
            seen.append((args, kwargs, _thread.get_ident()))
            _thread.exit()
        ident = _thread.start_new_thread(body, (1,), {"a": 2})
        grove.sleep(0)
        assert seen == [((1,), {"a": 2}, ident)], seen
        size = _thread.stack_size()
        assert _thread.stack_size(size) == size
        """)


def test_a_timer():
    lines = run("""
        import threading
        cancelled = threading.Timer(0.001, print, ["cancelled"])
        cancelled.start()
        cancelled.cancel()
        timer = threading.Timer(0.001, print, ["rings"])
        timer.start()
        timer.join(); cancelled.join()
        """)
    assert lines == ["rings"]


def test_a_greenlet_that_is_no_thread_has_one_until_it_ends():
    run("""
        import gc, threading, grove
        def body():
            me = threading.current_thread()
            assert me is threading.current_thread() and me.daemon
            assert me.ident == threading.get_ident() and me.is_alive()
            assert me in threading.enumerate() and "Dummy" in me.name
            repr(me)
        grove.spawn(body).get()
        raw = grove.hub.spawn_raw(body)
        grove.sleep(0)
        grove.sleep(0)
        del raw
        gc.collect()
        assert threading.enumerate() == [threading.main_thread()]
        """)


def test_condition_semaphore_barrier():
    run("""
        import threading
        order = []
        condition = threading.Condition()
        def waits(n):
            with condition:
                condition.wait()
                order.append(n)
        threads = [threading.Thread(target=waits, args=(n,)) for n in range(3)]
        for t in threads: t.start()
        with condition:
            condition.notify()
        with condition:
            condition.notify_all()
        for t in threads: t.join()
        assert order == [0, 1, 2]
        plain = threading.Condition(threading.Lock())
        with plain:
            assert not plain.wait(0.001)
        semaphore = threading.BoundedSemaphore(1)
        with semaphore:
            assert not semaphore.acquire(blocking=False)
            assert not semaphore.acquire(timeout=0.001)
        barrier = threading.Barrier(3)
        threads = [threading.Thread(target=barrier.wait) for _ in range(2)]
        for t in threads: t.start()
        barrier.wait()
        for t in threads: t.join()
        """)


def test_spinning_on_a_lock_lets_its_holder_run():
    run("""
        import threading, grove
        lock = threading.Lock()
        lock.acquire()
        grove.spawn(lock.release)
        spins = 0
        while not lock.acquire(False):
            spins += 1
        assert spins == 2
        rlock = threading.RLock()
        def holds():
            with rlock:
                grove.sleep(0)
        grove.spawn(holds)
        grove.sleep(0)
        assert not rlock.acquire(blocking=False)  # nobody had a turn
        assert not rlock.acquire(blocking=False)
        assert rlock.acquire(blocking=False)
        """)


def test_what_ends_leaves_nothing():
    run("""
        import gc, threading, grove
        def busy():
            threading.current_thread()
        def some(count):
            for _ in range(count):
                t = threading.Thread(target=busy)
                t.start(); t.join()
                grove.spawn(busy).join()
            del t
        from grove import threading as ours
        some(10)
        grove.sleep(0)
        gc.collect()
        before = len(gc.get_objects())
        some(200)
        grove.sleep(0)
        gc.collect()
        assert len(gc.get_objects()) - before < 50, len(gc.get_objects()) - before
        assert len(threading._active) == 1 and not threading._limbo
        assert not ours._running and not ours._references
        """)


def test_locks_are_not_copied():
    run("""
        import copy, pickle, threading
        for lock in threading.Lock(), threading.RLock():
            for call in copy.copy, copy.deepcopy, pickle.dumps:
                try:
                    call(lock)
                except TypeError:
                    continue
                raise AssertionError(call)
        """)


def test_count_of_threads():
    run("""
        import _thread, grove
        from grove.threads.offload import run_in_thread
        native = monkey.get_original("_thread", "_count")
        assert _thread._count() == 0
        gate = _thread.allocate_lock()
        gate.acquire()
        with_names = dict(key=1)
        _thread.start_new_thread(gate.acquire, ())
        _thread.start_new_thread(lambda key: gate.acquire(), (), with_names)
        assert _thread._count() == 2  # they have not begun yet
        grove.sleep(0)
        assert _thread._count() == 2 and native() == 0
        run_in_thread(int)  # not a thread of the program's
        assert _thread._count() == 2 and native() == 1
        gate.release()
        grove.sleep(0)
        assert _thread._count() == 1
        gate.release()
        grove.sleep(0)
        assert _thread._count() == 0
        """)


# ---- locks between threads ------------------------------------------------------


def test_locks_between_native_threads_and_greenlets():
    """Three native threads, each with a hub of its own and three greenlets, add to
    a number under one lock: it never tears."""
    run("""
        import threading, grove
        from grove.stdlib import natives
        for lock in threading.Lock(), threading.RLock(), threading.Condition():
            total, left = 0, 12
            done = grove.event.Event()
            def add():
                global total, left
                for _ in range(100):
                    with lock:
                        seen = total
                        grove.sleep(0)
                        total = seen + 1
                left -= 1
                if not left:
                    done.set()
            def native():
                grove.joinall([grove.spawn(add) for _ in range(3)], raise_error=True)
            for _ in range(3):
                natives.start_new_thread(native, ())
            native()
            done.wait()
            assert total == 1200, total
        """)


def test_a_lock_is_released_by_another_thread():
    run("""
        import threading, grove, grove.threadpool
        pool = grove.threadpool.ThreadPool(1)
        lock = threading.Lock()
        lock.acquire()
        ticks = []
        grove.spawn(lambda: [ticks.append(1) or grove.sleep(0) for _ in range(5)])
        assert lock.acquire(False) is False
        pool.spawn(lock.release)
        assert lock.acquire(timeout=60)
        assert ticks
        # And back: the native thread waits, a greenlet lets it go on.
        result = pool.spawn(lock.acquire)
        grove.sleep(0.01)
        assert not result.ready()
        lock.release()
        assert result.get(timeout=60) is True
        """)


def test_thread_joined_by_a_native_thread():
    run("""
        import threading, grove
        gate = threading.Event()
        t = threading.Thread(target=gate.wait)
        t.start()
        result = grove.get_hub().threadpool.spawn(t.join)
        grove.sleep(0.01)
        assert not result.ready()
        gate.set()
        result.get(timeout=60)
        """)


def test_locks_in_finalisers_and_callbacks():
    """One is collected while a greenlet holds the lock it wants: that goes on, and
    then the finaliser does."""
    run("""
        import gc, threading, weakref, grove
        lock = threading.RLock()
        order = []
        class Thing:
            def __del__(self):
                with lock:
                    order.append("finalised")
        def holds():
            with lock:
                grove.sleep(0)
                order.append("held")
        def collects():
            thing = Thing()
            thing.self = thing
            weakref.finalize(thing, lambda: lock.acquire() and lock.release())
            del thing
            gc.collect()
            order.append("collected")
        grove.joinall([grove.spawn(holds), grove.spawn(collects)], timeout=60)
        assert order == ["held", "finalised", "collected"], order
        """)


def test_a_finaliser_in_the_hub_does_not_hang():
    lines = run(
        """
        import threading, grove
        lock = threading.Lock()
        lock.acquire()
        class Thing:
            def __del__(self):
                print("finalised")
                lock.acquire()
        things = [Thing()]
        grove.get_hub().loop.run_callback(things.clear)
        grove.sleep(0)
        print("goes on")
        """,
        errors="BlockingSwitchOutError",
    )
    assert lines == ["finalised", "goes on"]


def test_a_lock_in_a_signal_handler():
    run("""
        import os, signal, threading, grove
        lock = threading.RLock()
        seen = []
        def handler(signum, frame):
            with lock:
                seen.append(signum)
        signal.signal(signal.SIGUSR1, handler)
        with lock:
            os.kill(os.getpid(), signal.SIGUSR1)
            while not seen:
                grove.sleep(0.001)
        assert not lock.locked()
        """)


def test_at_fork_reinit_unlocks():
    run("""
        import threading, grove
        from grove import lock as locks
        for made in (threading.Lock(), threading.RLock(), locks.RLock(),
                     locks.Semaphore(), locks.BoundedSemaphore()):
            def holds():
                made.acquire()
                grove.sleep(0)
                # It does not know, and is not told either.
                if isinstance(made, (locks.RLock, threading.Lock)):
                    made.release()
            holder = grove.spawn(holds)
            grove.sleep(0)
            waiter = grove.spawn(made.acquire)
            assert made.locked()
            made._at_fork_reinit()
            assert not made.locked()
            grove.joinall([holder, waiter], timeout=60, raise_error=True)
            assert waiter.value is True and made.locked()
        """)


# ---- what there was before ----------------------------------------------------


def test_native_threads_begun_before_are_joined_by_greenlets():
    lines = run(
        """
        import _thread, threading
        gate = _thread.allocate_lock()
        gate.acquire()
        early = threading.Thread(target=gate.acquire, name="early")
        early.start()
        from grove import monkey
        monkey.patch_thread()
        import grove
        assert early.is_alive() and early in threading.enumerate()
        early.join(0.001)
        assert early.is_alive()
        joiners = [grove.spawn(early.join) for _ in range(3)]
        grove.sleep(0.01)
        assert not any(j.ready() for j in joiners)
        gate.release()
        grove.joinall(joiners, timeout=60, raise_error=True)
        early.join()
        assert not early.is_alive() and early not in threading.enumerate()
        print("joined")
        """,
        begin="",
    )
    assert lines == ["joined"]


def test_a_native_thread_begun_before_is_waited_for_at_exit():
    lines = run(
        """
        import threading, time
        import _thread
        gate = _thread.allocate_lock()
        gate.acquire()
        def native():
            gate.acquire()
            print("native ends", threading.current_thread().name)
        threading.Thread(target=native, name="early").start()
        from grove import monkey
        monkey.patch_thread()
        import grove
        # It waits for a greenlet, which runs while the interpreter waits for it.
        grove.spawn_later(0.01, gate.release)
        print("main ends")
        """,
        begin="",
    )
    assert lines == ["main ends", "native ends early"]


def test_module_locks_made_before_are_replaced():
    run(
        """
        import concurrent.futures.thread, logging, sys, tempfile, threading, types
        handler = logging.StreamHandler()
        mine = types.ModuleType("mine")
        sys.modules["mine"] = mine
        mine.alone, mine.shared = threading.Lock(), threading.Lock()
        mine.held, mine.again = threading.Lock(), threading.RLock()
        other = mine.shared
        mine.held.acquire()
        native = type(mine.alone)
        from grove import monkey
        from grove.thread import LockType, RLock
        monkey.patch_all()
        assert type(mine.alone) is LockType and type(mine.again) is RLock
        assert mine.shared is other and type(mine.held) is native
        assert type(tempfile._once_lock) is LockType
        assert type(concurrent.futures.thread._global_shutdown_lock) is LockType
        assert type(logging._lock) is RLock and type(handler.lock) is RLock
        assert type(threading._active_limbo_lock) is RLock
        """,
        begin="import warnings; warnings.simplefilter('ignore')\n",
    )


def test_a_lock_of_logging_that_is_held_stays_held():
    run(
        """
        import logging, grove
        logging._lock.acquire(); logging._lock.acquire()
        from grove import monkey
        monkey.patch_thread()
        waiter = grove.spawn(logging.getLogger, "new")
        grove.sleep(0.001)
        assert not waiter.ready()
        logging._lock.release(); logging._lock.release()
        waiter.get(timeout=60)
        """,
        begin="",
    )


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_modules_imported_before_and_after(when):
    """All of ours, and what they are made of go on being native."""
    everything = """
        import importlib, pkgutil, grove
        for found in pkgutil.walk_packages(grove.__path__, "grove."):
            # The one needs zope.interface, the other is a program.
            if not found.name.endswith(("interfaces", "__main__")):
                importlib.import_module(found.name)
        """
    patch = """
        from grove import monkey
        monkey.patch_all(os=False, subprocess=False, signal=False)
        """
    first, second = (everything, patch) if when == "before" else (patch, everything)
    run(
        textwrap.dedent(first)
        + textwrap.dedent(second)
        + textwrap.dedent("""
        import grove, threading, concurrent.futures, asyncio
        from grove.stdlib import natives
        assert natives.start_new_thread.__module__ == "_thread"
        # A native pool of ours, and an executor of it, with a nested submit.
        get = monkey.get_original("_thread", "get_ident")
        pool = grove.threadpool.ThreadPool(2)
        assert pool.spawn(get).get(timeout=60) != get()
        executor = grove.threadpool.ThreadPoolExecutor(2)
        nested = executor.submit(lambda: executor.submit(get).result())
        assert nested.result(timeout=60) != get()
        # The patched one, whose workers are greenlets.
        with concurrent.futures.ThreadPoolExecutor(2) as green:
            nested = green.submit(lambda: green.submit(get).result())
            assert nested.result(timeout=60) == get()
            assert list(green.map(abs, range(-9, 0))) == list(range(9, 0, -1))
        assert asyncio.run(asyncio.to_thread(get)) == get()
        assert grove.get_hub().loop.default
        # Threads of ours, on which names are looked up.
        from grove.threads.offload import run_in_thread
        assert run_in_thread(get) != get()
        """),
        begin="",
    )


def test_two_greenlets_import_one_module(tmp_path):
    (tmp_path / "slow_module.py").write_text(
        "import grove\ngrove.sleep(0.01)\nready = True\n"
    )
    run(f"""
        import sys, grove
        sys.path.insert(0, {str(tmp_path)!r})
        def imports():
            import slow_module
            return slow_module.ready
        both = [grove.spawn(imports) for _ in range(2)]
        grove.joinall(both, timeout=60, raise_error=True)
        assert [g.value for g in both] == [True, True]
        """)


# ---- the end ----------------------------------------------------------------------


def test_the_end_waits_for_threads_but_not_for_daemons():
    lines = run("""
        import threading, time
        def late():
            # What sleeps here still does when the interpreter ends.
            threading.main_thread().join()
            print("main has ended")
            t = threading.Thread(target=lambda: (time.sleep(0.01), print("later")))
            t.start()
        threading.Thread(target=late).start()
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        print("main ends")
        """)
    assert lines == ["main ends", "main has ended", "later"]


def test_an_executor_is_emptied_at_the_end():
    lines = run("""
        import concurrent.futures, time
        executor = concurrent.futures.ThreadPoolExecutor(2)
        # Two still sleep when the interpreter ends, and two have not begun.
        for n in range(4):
            executor.submit(lambda n=n: (time.sleep(0.001), print(n)))
        """)
    assert sorted(lines) == ["0", "1", "2", "3"]


def test_nothing_is_said_at_the_end():
    """Threads, locks held, finalisers that lock, a native pool."""
    run("""
        import atexit, logging, threading, time, grove
        class Thing:
            lock, rlock = threading.Lock(), threading.RLock()
            def __del__(self):
                with self.lock, self.rlock:
                    threading.current_thread(), threading.get_ident()
                logging.getLogger("x").debug("gone")
        things = [Thing()]
        things.append(things)
        atexit.register(threading.Event().wait, 0.001)
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        grove.spawn(threading.Event().wait)
        grove.get_hub().threadpool.spawn(threading.current_thread).get()
        grove.sleep(0)
        """)


def test_a_wait_that_nothing_can_end():
    run("""
        import threading, _thread, grove
        try:
            threading.Event().wait()
        except grove.exceptions.LoopExit:
            pass
        else:
            raise AssertionError
        # While another native thread lives, one could come.
        event = threading.Event()
        def native():
            monkey.get_original("time", "sleep")(0.05)
            event.set()
        monkey.get_original("_thread", "start_new_thread")(native, ())
        assert event.wait()
        """)


# ---- forks --------------------------------------------------------------------------


def test_forks_from_greenlets():
    """Two hundred, from thirty threads, while a lock is handed round and all log."""
    run("""
        import os, threading, logging, grove
        lock, statuses = threading.Lock(), []
        log = logging.getLogger("forks")
        log.addHandler(logging.StreamHandler(open(os.devnull, "w")))
        def forks(count):
            for _ in range(count):
                with lock:
                    grove.sleep(0)
                    log.error("said")
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        me = threading.current_thread()
                        assert me.ident == threading.get_ident()
                        assert me in threading.enumerate()
                        # No wait here, nor is_alive(), which yields: the other greenlets would go on forking.
                        log.error("said")
                        with threading.RLock(), threading.Lock():
                            status = 0
                    finally:
                        os._exit(status)
                while not (result := os.waitpid(pid, os.WNOHANG))[0]:
                    grove.sleep(0.001)
                statuses.append(result[1])
        threads = [threading.Thread(target=forks, args=(7,)) for _ in range(29)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert statuses == [0] * 203, statuses
        """)


@pytest.mark.parametrize("known", [False, True])
def test_threads_live_on_in_a_child(known):
    lines = run(f"""
        known = {known}"""
        """
        import os, sys, threading, grove
        gate = threading.Event()
        def waits():
            gate.wait()
            with lock:
                print("went on", threading.current_thread().name)
        lock = threading.Lock()
        t = threading.Thread(target=waits, name="waits")
        t.start()
        def forks():
            if known:
                threading.current_thread()
            pid = os.fork()
            if pid == 0:
                repr(threading.current_thread())
                assert threading.main_thread().ident == main, threading.main_thread()
                assert t.is_alive() and t in threading.enumerate()
                gate.set()
                t.join()
                assert not t.is_alive()
                sys.stdout.flush()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        main = threading.get_ident()
        grove.spawn(forks).get()
        assert t.is_alive()
        gate.set()
        """)
    assert lines == ["went on waits", "went on waits"]


def test_a_thread_that_ended_is_not_missed_in_a_child():
    """What it told of its end had not been heard when another one forked."""
    run("""
        import os, threading, grove
        ended = threading.Thread(target=lambda: None)
        ended.start()
        pid = os.fork()
        if pid == 0:
            grove.sleep(0)
            ended.join()
            os._exit(ended.is_alive())
        assert os.waitpid(pid, 0)[1] == 0
        ended.join()
        """)


# ---- queues -------------------------------------------------------------------------


def test_queues_between_threads():
    run("""
        import queue, threading
        for made in queue.Queue(2), queue.SimpleQueue(), queue.LifoQueue(2):
            def puts():
                for n in range(10):
                    made.put(n)
            t = threading.Thread(target=puts)
            t.start()
            assert sorted(made.get() for _ in range(10)) == list(range(10))
            t.join()
            try:
                made.get_nowait()
            except queue.Empty:
                pass
        """)
