"""The raw greenlet and threads: which thread one belongs to, and its end."""

import gc
import os
import threading
import weakref

import pytest
from grove._greenlet import GreenletExit, _greenlet, error, getcurrent, greenlet


def in_thread(fn, *args):
    """fn(*args), called in a thread that has ended when this returns."""

    def run():
        try:
            result.append(fn(*args))
        except BaseException as error:
            failures.append(error)

    result, failures = [], []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return result[0]


def suspended(run=lambda: getcurrent().parent.switch()):
    g = greenlet(run)
    g.switch()
    return g


def mappings():
    with open("/proc/self/maps") as maps:
        return sum(1 for line in maps)


# ---- belonging -------------------------------------------------------------


def test_each_thread_has_its_main_greenlet():
    def other():
        mine = getcurrent()
        assert mine is not main and mine.parent is None
        assert mine is getcurrent()
        return greenlet(lambda: getcurrent().parent is mine).switch()

    main = getcurrent()
    assert in_thread(other)


def test_a_greenlet_of_another_thread_is_refused():
    def other():
        for attempt in (g.switch, lambda: g.throw(ValueError)):
            with pytest.raises(error) as caught:
                attempt()
            lines = str(caught.value).split("\n\t")
            assert lines[0] == "Cannot switch to a different thread"
            assert lines[1].startswith("Current:  <greenlet.greenlet object")
            assert lines[2].startswith("Expected: <greenlet.greenlet object")
        return True

    g = suspended()
    assert in_thread(other)
    g.switch()
    assert g.dead


def test_an_unstarted_greenlet_of_another_thread_is_refused():
    def other():
        with pytest.raises(error, match="Cannot switch to a different thread"):
            g.switch()
        with pytest.raises(error, match="Cannot switch to a different thread"):
            g.throw(ValueError)
        return g.dead

    g = greenlet(lambda: 5)
    assert in_thread(other) is False
    assert g.switch() == 5


def test_a_dead_greenlet_of_another_thread_is_refused():
    def other():
        with pytest.raises(error, match="Cannot switch to a different thread"):
            g.switch()
        return True

    g = greenlet(lambda: None)
    g.switch()
    assert in_thread(other)


def test_an_unstarted_one_moves_to_its_new_parents_thread():
    def other():
        g.parent = getcurrent()
        return g.switch()

    g = greenlet(threading.get_ident)
    assert in_thread(other) != threading.get_ident()


def test_a_started_one_cannot_move():
    def other():
        with pytest.raises(ValueError, match="parent cannot be on a different thread"):
            g.parent = getcurrent()
        return True

    g = suspended()
    assert in_thread(other)
    assert g.parent is getcurrent()
    g.switch()


def test_what_another_thread_sees():
    def other():
        frame = g.gr_frame.f_code
        assert g and not g.dead and g.gr_context is None
        assert repr(g).endswith(" suspended active started>")
        assert getcurrent() is not main
        assert main.gr_frame is None  # it runs, or would
        with pytest.raises(ValueError, match="running in a different thread"):
            main.gr_context
        with pytest.raises(ValueError, match="running in a different thread"):
            main.gr_context = None
        return frame

    main = getcurrent()
    run = lambda: main.switch()  # noqa: E731
    g = suspended(run)
    assert in_thread(other) is run.__code__
    g.switch()


def test_threads_switch_at_once():
    def other(n):
        def run():
            total = 0
            while True:
                value = main.switch()
                if value is None:
                    return total
                total += value

        main = getcurrent()
        gs = [suspended(run) for _ in range(10)]
        for i in range(200):
            for g in gs:
                g.switch(i * n)
        return [g.switch(None) for g in gs]

    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append((n, other(n))))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, totals in results:
        assert totals == [sum(range(200)) * n] * 10
    assert len(results) == 4


# ---- the last reference, elsewhere -----------------------------------------


def test_the_last_reference_dropped_by_another_thread():
    """Its own thread ends it when it next deals with greenlets."""

    def run():
        try:
            main.switch()
        except GreenletExit:
            seen.append(threading.current_thread())
            raise

    for touch in (
        getcurrent,
        lambda: greenlet(print),
        lambda: greenlet(lambda: None).switch(),
    ):
        main, seen = getcurrent(), []
        holder = [suspended(run)]
        in_thread(holder.clear)
        assert seen == []
        touch()
        assert seen == [threading.current_thread()]


def test_the_last_reference_dropped_by_the_collector_of_another_thread():
    def run():
        me = getcurrent()  # noqa: F841
        try:
            main.switch()
        finally:
            seen.append(threading.current_thread())

    main, seen = getcurrent(), []
    g = suspended(run)
    ref = weakref.ref(g)
    del g
    in_thread(gc.collect)
    getcurrent()
    gc.collect()
    getcurrent()
    assert ref() is None or seen == []  # 3.14 and later do not find it
    assert seen in ([], [threading.current_thread()])


def test_the_last_reference_when_its_thread_has_ended():
    seen = []

    def other():
        def run():
            try:
                getcurrent().parent.switch()
            finally:
                seen.append("finally")

        return suspended(run)

    ref = weakref.ref(in_thread(other))
    assert ref() is None and seen == []


def test_one_doomed_by_another_thread_whose_own_ends_first():
    seen, refs = [], []
    running, dropped = threading.Event(), threading.Event()

    def other():
        def run():
            try:
                main.switch()
            finally:
                seen.append("finally")

        main = getcurrent()
        holder.append(suspended(run))
        refs.append(weakref.ref(holder[0]))
        running.set()
        dropped.wait()  # and never deals with greenlets again

    holder = []
    thread = threading.Thread(target=other)
    thread.start()
    running.wait()
    holder.clear()
    assert refs[0]() is not None
    dropped.set()
    thread.join()
    gc.collect()
    assert seen == [] and refs[0]() is None


# ---- the end of a thread ---------------------------------------------------


def test_a_greenlet_of_an_ended_thread_is_dead():
    seen = []

    def other():
        def run():
            try:
                getcurrent().parent.switch()
            except BaseException:
                seen.append("except")
            finally:
                seen.append("finally")

        return suspended(run)

    g = in_thread(other)
    assert g.dead and not g and g.gr_frame is None
    assert repr(g).endswith(" (thread exited) dead>")
    assert seen == []  # nothing of it has run
    for attempt in (g.switch, g.throw, lambda: g.throw(ValueError)):
        with pytest.raises(
            error, match=r"different thread \(which happens to have exited\)"
        ):
            attempt()


def test_the_main_greenlet_of_an_ended_thread():
    main = in_thread(getcurrent)
    assert main.dead and repr(main).endswith(" (thread exited) dead>")
    with pytest.raises(error, match="which happens to have exited"):
        main.switch()
    g = greenlet(lambda: None, main)
    with pytest.raises(error, match="which happens to have exited"):
        g.switch()


def test_what_suspended_greenlets_refer_to_goes_with_their_thread():
    class Thing:
        pass

    def numbers(thing):
        yield getcurrent().parent.switch(thing)

    def run(thing):
        inside = Thing()
        refs.append(weakref.ref(inside))
        try:
            if depth == 0:
                getcurrent().parent.switch([inside, thing])
            elif depth == 1:
                sorted([thing], key=lambda t: getcurrent().parent.switch(t))
            else:
                list(numbers(thing))
        finally:
            seen.append("finally")

    def other():
        thing = Thing()
        refs.append(weakref.ref(thing))
        gs = greenlet(run), greenlet(run)
        gs[0].switch(thing)
        gs[1].switch(thing)
        here = greenlet(lambda: getcurrent().parent.switch())
        here.me = here
        here.switch()
        refs.append(weakref.ref(here))
        return gs if keep else None

    seen = []
    for depth in range(3):
        for keep in (False, True):
            refs = []
            kept = in_thread(other)
            del kept
            gc.collect()
            assert [ref() for ref in refs] == [None] * 4
            if keep:
                assert seen == []
            seen.clear()


def test_a_frame_of_an_ended_threads_greenlet_can_be_kept():
    def other():
        def run(value):
            getcurrent().parent.switch()

        g = greenlet(run)
        g.switch("value")
        return g, g.gr_frame

    g, frame = in_thread(other)
    assert g.dead and frame.f_code.co_name == "run"
    assert frame.f_back is None
    frame.f_locals  # gone or not: to be looked at without harm


def test_stacks_of_ended_threads_are_given_back():
    def other(n):
        gs = [suspended() for _ in range(n)]
        return gs if n % 2 else None

    in_thread(other, 20)
    before = mappings()
    kept = [in_thread(other, 20 + i) for i in range(10)]
    assert mappings() < before + 10
    assert all(g.dead for gs in kept if gs for g in gs)


def test_greenlets_in_thread_local_data_end_before_their_thread():
    local, seen = threading.local(), []

    def run():
        try:
            getcurrent().parent.switch()
        finally:
            seen.append(threading.get_ident())

    def other():
        local.first = None
        getcurrent()
        local.g = suspended(run)
        return threading.get_ident()

    assert [in_thread(other)] == seen


def test_a_thread_ends_inside_nested_greenlets():
    def inner():
        getcurrent().parent.parent.switch()

    def outer():
        g = greenlet(inner)
        g.switch()

    def other():
        gs = [greenlet(outer) for _ in range(3)]
        for g in gs:
            g.switch()
        return gs

    assert [g.dead for g in in_thread(other)] == [True] * 3


def test_letting_go_of_what_they_held_may_switch():
    seen = []

    class Switches:
        def __del__(self):
            seen.append(greenlet(lambda: "switched").switch())
            g = greenlet(lambda: getcurrent().parent.switch())
            g.switch()
            kept.append(g)

    def other():
        def run():
            thing = Switches()
            getcurrent().parent.switch()
            del thing

        return [suspended(run) for _ in range(3)]

    kept = []
    gs = in_thread(other)
    assert seen == ["switched"] * 3
    assert all(g.dead for g in gs + kept) and len(kept) == 3


def test_one_that_a_coroutine_suspended_is_left_alone():
    """Its driver in C would go on: the stacks stay, and no harm is done."""

    async def work():
        getcurrent().parent.parent.switch()

    def other():
        def run():
            work().send(None)

        g = greenlet(lambda: greenlet(run).switch())
        g.switch()
        return g

    g = in_thread(other)
    assert g.dead
    gc.collect()


def test_main_greenlets_are_counted():
    gc.collect()
    before = _greenlet.get_total_main_greenlets()
    kept = in_thread(getcurrent)
    assert _greenlet.get_total_main_greenlets() == before + 1
    del kept
    gc.collect()
    assert _greenlet.get_total_main_greenlets() == before


def test_set_thread_local():
    class Thing:
        pass

    def other():
        thing = Thing()
        _greenlet.set_thread_local("grove test", thing)
        return weakref.ref(thing)

    assert in_thread(other)() is None


# ---- fork ------------------------------------------------------------------


def test_suspended_greenlets_run_on_in_a_forked_child():
    def run(n):
        try:
            return n + main.switch(n)
        finally:
            seen.append(n)

    main, seen = getcurrent(), []
    gs = [greenlet(run) for _ in range(10)]
    for i, g in enumerate(gs):
        g.switch(i)
    pid = os.fork()
    if pid == 0:
        good = [g.switch(1) for g in gs[:5]] == [1, 2, 3, 4, 5]
        del gs[:], g
        good &= sorted(seen) == list(range(10))
        good &= greenlet(lambda: "new").switch() == "new"
        os._exit(0 if good else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert seen == []
    assert [g.switch(1) for g in gs] == list(range(1, 11))


def test_a_fork_in_a_greenlet():
    def run():
        main.switch("before")
        pid = os.fork()
        if pid == 0:
            os._exit(7 if main.switch("child") == "back" else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    value = g.switch()
    if value == "child":  # in the child, where main goes on, too
        g.switch("back")
        os._exit(2)
    assert value == 7


def test_greenlets_of_threads_that_did_not_survive_a_fork():
    ready, done = threading.Event(), threading.Event()
    holder = []

    def other():
        holder.append(suspended())
        ready.set()
        done.wait()

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait()
    pid = os.fork()
    if pid == 0:
        try:
            holder[0].switch()
        except error:
            holder.clear()
            getcurrent()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    done.set()
    thread.join()
