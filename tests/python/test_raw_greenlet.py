"""The raw greenlet: values, exceptions, parents, death, tracing, threads.

What each test expects is greenlet's documented behaviour (greenlet 3.5).
"""

import contextvars
import gc
import sys
import threading
import weakref

import pytest
from grove._core import (
    GreenletExit,
    error,
    getcurrent,
    gettrace,
    greenlet,
    settrace,
    stack_size,
)


# ---- values ---------------------------------------------------------------


def test_run_gets_the_arguments_of_the_first_switch():
    def run(*args, **kwargs):
        return args, kwargs

    assert greenlet(run).switch(1, 2, a=3) == ((1, 2), {"a": 3})


@pytest.mark.parametrize(
    "args, kwargs, received",
    [
        ((), {}, ()),
        ((1,), {}, 1),
        (((1,),), {}, (1,)),
        ((1, 2), {}, (1, 2)),
        ((), {"a": 1}, {"a": 1}),
        ((1,), {"a": 1}, ((1,), {"a": 1})),
    ],
)
def test_what_a_suspended_switch_returns(args, kwargs, received):
    def run():
        got.append(getcurrent().parent.switch())

    got = []
    g = greenlet(run)
    g.switch()
    g.switch(*args, **kwargs)
    assert got == [received]


def test_the_result_goes_to_the_parent_unchanged():
    assert greenlet(lambda: (1,)).switch() == (1,)


def test_switch_to_oneself_returns_the_arguments():
    assert getcurrent().switch(5) == 5


def test_switch_to_a_dead_one_goes_to_its_parent():
    g = greenlet(lambda: None)
    g.switch()
    assert g.dead
    assert g.switch(7) == 7


def test_two_greenlets_alternate():
    seen = []

    def run(name, other):
        for _ in range(3):
            seen.append(name)
            other[0].switch()

    a, b = [], []
    a.append(greenlet(lambda: run("a", b)))
    b.append(greenlet(lambda: run("b", a)))
    a[0].switch()
    assert seen == ["a", "b"] * 3


def test_thousands_are_suspended_at_once():
    def run(n):
        return n + main.switch(n)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3000)]
    assert [g.switch(i) for i, g in enumerate(gs)] == list(range(3000))
    assert [g.switch(1) for g in gs] == list(range(1, 3001))


# ---- errors of use -----------------------------------------------------------


def test_without_run_the_caller_gets_attribute_error():
    with pytest.raises(AttributeError, match="run"):
        greenlet().switch()


def test_run_that_is_not_callable():
    with pytest.raises(TypeError, match="not callable"):
        greenlet(3).switch()


def test_run_cannot_be_set_after_the_start():
    g = greenlet(lambda: getcurrent().parent.switch())
    g.switch()
    with pytest.raises(AttributeError, match="after the start"):
        g.run = print
    with pytest.raises(AttributeError):
        g.run


def test_parents_that_are_refused():
    a = greenlet(lambda: None)
    b = greenlet(lambda: None, a)
    with pytest.raises(ValueError, match="cyclic parent chain"):
        a.parent = b
    with pytest.raises(TypeError):
        a.parent = 3
    with pytest.raises(TypeError):
        a.parent = None
    with pytest.raises(AttributeError):
        del a.parent
    with pytest.raises(AttributeError):
        getcurrent().parent = a


def test_a_greenlet_cannot_be_copied_or_pickled():
    import copy
    import pickle

    g = greenlet(lambda: None)
    for attempt in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot serialize"):
            attempt(g)


@pytest.mark.parametrize("size", [0, -1, 65535, 1 << 40])
def test_bad_stack_sizes(size):
    with pytest.raises(ValueError, match=str(size)):
        stack_size(size)
    with pytest.raises((TypeError, ValueError)):
        stack_size("big")


def test_the_stack_size_of_new_greenlets():
    def depth(n):
        return sorted([n], key=lambda n: depth(n - 1) if n else 0)[0] if n else 0

    before = stack_size(4 << 20)
    try:
        assert stack_size() == 4 << 20
        # 300 levels of sort need 1.6 MB
        assert greenlet(lambda: depth(300)).switch() == 300
    finally:
        stack_size(before)


# ---- exceptions ------------------------------------------------------------------


def test_an_exception_goes_to_the_parent():
    with pytest.raises(ZeroDivisionError):
        greenlet(lambda: 1 / 0).switch()


def test_throw_is_raised_where_the_greenlet_waits():
    def run():
        try:
            getcurrent().parent.switch()
        except ValueError as e:
            return str(e)

    g = greenlet(run)
    g.switch()
    assert g.throw(ValueError("thrown")) == "thrown"


def test_throw_without_arguments_is_greenlet_exit():
    g = greenlet(lambda: getcurrent().parent.switch())
    g.switch()
    assert isinstance(g.throw(), GreenletExit)
    assert g.dead


def test_throw_into_an_unstarted_one_kills_it():
    g = greenlet(lambda: pytest.fail("it ran"))
    with pytest.raises(KeyError):
        g.throw(KeyError, "k")
    assert g.dead
    assert isinstance(greenlet(lambda: None).throw(), GreenletExit)


def test_what_throw_refuses():
    g = greenlet(lambda: getcurrent().parent.switch())
    g.switch()
    with pytest.raises(TypeError, match="must be classes, or instances, not int"):
        g.throw(1)
    with pytest.raises(TypeError, match="may not have a separate value"):
        g.throw(ValueError(), 2)
    with pytest.raises(TypeError, match="must be a traceback object"):
        g.throw(ValueError, 1, 2)
    g.switch()


def test_throw_keeps_the_traceback():
    def fail():
        raise ValueError("first")

    try:
        fail()
    except ValueError:
        info = sys.exc_info()
    g = greenlet(lambda: getcurrent().parent.switch())
    g.switch()
    with pytest.raises(ValueError) as caught:
        g.throw(*info)
    assert "fail" in [entry.name for entry in caught.traceback]


def test_exceptions_being_handled_are_each_greenlets_own():
    def run():
        try:
            raise KeyError("inner")
        except KeyError:
            main.switch()
            return repr(sys.exc_info()[1])

    main = getcurrent()
    g = greenlet(run)
    try:
        raise ValueError("outer")
    except ValueError:
        g.switch()
        assert repr(sys.exc_info()[1]) == "ValueError('outer')"
        assert g.switch() == "KeyError('inner')"
    assert sys.exc_info()[1] is None


# ---- death ----------------------------------------------------------------------------


def test_the_last_reference_gone_ends_it():
    seen = []

    def run():
        try:
            getcurrent().parent.switch()
        except GreenletExit:
            seen.append("exit")
            raise

    g = greenlet(run)
    g.switch()
    del g
    assert seen == ["exit"]


def test_a_suspended_one_that_swallows_the_exit_is_kept(capsys):
    def run():
        while len(seen) < 2:
            try:
                main.switch()
            except GreenletExit:
                seen.append(getcurrent())
        return "ended"

    main, seen = getcurrent(), []
    g = greenlet(run)
    g.switch()
    del g
    assert len(seen) == 1 and not seen[0].dead
    seen.append(None)
    seen[0].switch()
    assert seen[0].dead


def test_weak_references_and_attributes():
    class Mine(greenlet):
        pass

    g = Mine(lambda: None)
    g.name = "x"
    assert g.__dict__ == {"name": "x"}
    ref = weakref.ref(g)
    del g
    assert ref() is None
    plain = greenlet(lambda: None)
    plain.attribute = 1
    assert plain.attribute == 1


def test_unstarted_cycles_are_collected():
    g = greenlet()
    g.run = lambda g=g: g
    ref = weakref.ref(g)
    del g
    gc.collect()
    assert ref() is None


def test_cycles_through_suspended_ones_survive_collection():
    def run():
        here = getcurrent()
        main.switch()
        return here

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    gc.collect()
    assert g.switch() is g


def test_truth_and_repr():
    g = greenlet(lambda: getcurrent().parent.switch())
    assert not g and repr(g).endswith(" pending>")
    g.switch()
    assert g and repr(g).endswith(" suspended active started>")
    g.switch()
    assert not g and repr(g).endswith(" dead>")
    assert repr(getcurrent()).endswith(" current active started main>")


# ---- the interpreter's state ----------------------------------------------------------------


def test_recursion_depth_starts_anew():
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    def at_depth(n, fn):
        return fn() if n == 0 else at_depth(n - 1, fn)

    deep = sys.getrecursionlimit() - 300
    assert at_depth(deep // 2, lambda: greenlet(lambda: down(deep)).switch()) == deep


def test_runaway_recursion_is_an_error():
    def forever():
        return forever()

    with pytest.raises(RecursionError):
        greenlet(forever).switch()
    # Frames beyond the first chunk were given back: it works again.
    with pytest.raises(RecursionError):
        greenlet(forever).switch()


class Attribute:
    def __getattr__(self, name):
        return getattr(self, name + "x")


class Shown:
    def __repr__(self):
        return repr(self)


def by_key(n):
    return sorted([n], key=lambda n: by_key(n + 1))


@pytest.mark.parametrize(
    "recurse",
    [lambda: by_key(0), lambda: Attribute().a, lambda: repr(Shown())],
    ids=["sorted", "getattr", "repr"],
)
@pytest.mark.parametrize("size", [1 << 16, 1 << 18, 1 << 20])
@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="3.11 does not count C recursion by itself"
)
def test_runaway_recursion_through_c_is_an_error_at_any_size(recurse, size):
    before, limit = stack_size(size), sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        with pytest.raises(RecursionError):
            greenlet(recurse).switch()
    finally:
        stack_size(before)
        sys.setrecursionlimit(limit)


def test_gr_frame_is_the_suspended_one():
    def inner():
        main.switch()

    def run():
        inner()

    main = getcurrent()
    g = greenlet(run)
    assert g.gr_frame is None
    g.switch()
    assert g.gr_frame.f_code is inner.__code__
    assert g.gr_frame.f_back.f_code is run.__code__
    assert g.gr_frame.f_back.f_back is None
    g.switch()
    assert g.gr_frame is None
    assert main.gr_frame is None


def test_contexts_are_each_greenlets_own():
    var = contextvars.ContextVar("var", default="none")

    def run():
        first = var.get()
        var.set("inner")
        main.switch()
        return first, var.get()

    main = getcurrent()
    var.set("outer")
    g = greenlet(run)
    g.switch()
    assert var.get() == "outer"
    assert g.gr_context[var] == "inner"
    assert g.switch() == ("none", "inner")

    given = greenlet(lambda: var.get())
    given.gr_context = contextvars.copy_context()
    assert given.switch() == "outer"
    with pytest.raises(TypeError, match="contextvars.Context or None"):
        given.gr_context = 1


def test_generators_run_across_switches():
    def numbers():
        for i in range(3):
            main.switch(i)
            yield i

    main = getcurrent()
    g = greenlet(lambda: list(numbers()))
    assert [g.switch(), g.switch(), g.switch(), g.switch()] == [0, 1, 2, [0, 1, 2]]


def test_frames_of_the_starter_are_not_seen():
    frames = greenlet(lambda: sys._getframe().f_back).switch()
    assert frames is None


# ---- tracing ---------------------------------------------------------------------------------


def test_settrace_is_told_of_every_switch():
    events = []

    def run():
        main.switch()

    main = getcurrent()
    g = greenlet(run)
    previous = settrace(lambda event, who: events.append((event, *who)))
    try:
        assert previous is None and gettrace() is not None
        g.switch()
        g.switch()
        failing = greenlet(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            failing.switch()
    finally:
        settrace(previous)
    assert events == [
        ("switch", main, g),
        ("switch", g, main),
        ("switch", main, g),
        ("switch", g, main),
        ("switch", main, failing),
        ("throw", failing, main),
    ]


def test_a_tracer_that_fails_is_removed_and_its_error_raised():
    def tracer(event, who):
        raise RuntimeError("tracer")

    g = greenlet(lambda: None)
    settrace(tracer)
    with pytest.raises(RuntimeError, match="tracer"):
        g.switch()
    assert gettrace() is None


# ---- threads ------------------------------------------------------------------------------------


def in_thread(fn):
    result = []
    thread = threading.Thread(target=lambda: result.append(fn()))
    thread.start()
    thread.join()
    return result[0]


def test_each_thread_has_its_main_greenlet():
    main = getcurrent()

    def other():
        assert getcurrent() is not main
        assert getcurrent().parent is None
        return greenlet(lambda: 5).switch()

    assert in_thread(other) == 5


def test_a_greenlet_of_another_thread_is_refused():
    g = greenlet(lambda: getcurrent().parent.switch())
    g.switch()

    def other():
        with pytest.raises(error, match="different thread"):
            g.switch()
        with pytest.raises(error, match="different thread"):
            g.throw(ValueError)
        return True

    assert in_thread(other)
    g.switch()
    assert g.dead


def test_a_greenlet_of_an_ended_thread_is_dead():
    def other():
        g = greenlet(lambda: getcurrent().parent.switch())
        g.switch()
        return g

    g = in_thread(other)
    assert g.dead and not g
    with pytest.raises(error, match="different thread"):
        g.switch()


def test_the_last_reference_dropped_by_another_thread():
    seen = []

    def run():
        try:
            main.switch()
        except GreenletExit:
            seen.append(threading.current_thread())
            raise

    main = getcurrent()
    holder = [greenlet(run)]
    holder[0].switch()
    in_thread(holder.clear)
    assert seen == []
    getcurrent()
    assert seen == [threading.current_thread()]
