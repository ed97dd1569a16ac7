"""The raw greenlet and the interpreter's state: recursion, frames, generators,
coroutines, context variables, async code."""

import asyncio
import contextvars
import gc
import sys
import types

import pytest
from grove._greenlet import GreenletExit, getcurrent, greenlet


def test_recursion_depth_starts_anew():
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    def at_depth(n, fn):
        return fn() if n == 0 else at_depth(n - 1, fn)

    deep = sys.getrecursionlimit() - 300
    assert at_depth(deep // 2, lambda: greenlet(lambda: down(deep)).switch()) == deep


def test_recursion_depth_is_each_greenlets_own():
    def down(n, end):
        return end() if n == 0 else down(n - 1, end)

    main = getcurrent()
    gs = [greenlet(down) for _ in range(5)]
    for g in gs:  # together deeper than the limit
        g.switch(sys.getrecursionlimit() // 3, main.switch)
    assert [g.switch(i) for i, g in enumerate(gs)] == list(range(5))


def test_the_recursion_limit_may_change_meanwhile():
    def down(n):
        return main.switch() if n == 0 else down(n - 1)

    def forever(n=0):
        return forever(n + 1)

    def run():
        down(200)
        with pytest.raises(RecursionError):
            forever()
        return "in time"

    main, limit = getcurrent(), sys.getrecursionlimit()
    g = greenlet(run)
    g.switch()
    sys.setrecursionlimit(limit + 500)
    try:
        assert g.switch() == "in time"
    finally:
        sys.setrecursionlimit(limit)


def test_runaway_recursion_is_an_error():
    def forever():
        return forever()

    for _ in range(3):  # frames beyond the first chunk are given back
        with pytest.raises(RecursionError):
            greenlet(forever).switch()


def test_deep_frames_survive_switches():
    def down(n):
        if n == 0:
            return main.switch()
        local = [n] * 3
        return down(n - 1) + local[0]

    main = getcurrent()
    gs = [greenlet(down) for _ in range(20)]
    for g in gs:
        g.switch(300)
    gc.collect()
    assert [g.switch(0) for g in gs] == [300 * 301 // 2] * 20


def test_frames_of_the_starter_are_not_seen():
    assert greenlet(lambda: sys._getframe().f_back).switch() is None
    assert greenlet(lambda: len(list(walk(sys._getframe())))).switch() == 1


def walk(frame):
    while frame:
        yield frame
        frame = frame.f_back


def test_current_frames():
    def run():
        return sys._current_frames()

    frames = greenlet(run).switch()
    assert run.__code__ in [frame.f_code for frame in frames.values()]


# ---- contexts --------------------------------------------------------------


def test_contexts_are_each_greenlets_own():
    var = contextvars.ContextVar("var", default="none")

    def run():
        first = var.get()
        var.set("inner")
        main.switch()
        return first, var.get()

    def test():
        var.set("outer")
        g = greenlet(run)
        g.switch()
        assert var.get() == "outer"
        assert g.switch() == ("none", "inner")
        assert var.get() == "outer"

    main = getcurrent()
    contextvars.copy_context().run(test)


def test_a_context_entered_in_several_greenlets():
    """A context can be entered once at a time, whoever does it."""
    var = contextvars.ContextVar("var")
    context = contextvars.copy_context()

    def run():
        context.run(lambda: (var.set(1), main.switch()))

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    with pytest.raises(RuntimeError, match="already entered"):
        context.run(lambda: None)
    g.switch()
    assert context.run(var.get) == 1


def test_context_variables_are_not_cached_across_switches():
    var = contextvars.ContextVar("var", default=0)

    def run(value):
        var.set(value)
        for _ in range(10):
            assert var.get() == value
            main.switch()

    main = getcurrent()
    gs = [greenlet(run) for _ in range(5)]
    for i, g in enumerate(gs):
        g.switch(i)
    for _ in range(9):
        for g in gs:
            g.switch()
            assert var.get() == 0
    for g in gs:
        g.switch()


# ---- generators and coroutines ---------------------------------------------


def test_generators_run_across_switches():
    def numbers():
        for i in range(3):
            main.switch(i)
            yield i

    main = getcurrent()
    g = greenlet(lambda: list(numbers()))
    assert [g.switch(), g.switch(), g.switch(), g.switch()] == [0, 1, 2, [0, 1, 2]]


def test_one_generator_in_two_greenlets():
    def numbers():
        yield main.switch("in it")

    main = getcurrent()
    generator = numbers()
    g = greenlet(lambda: next(generator))
    assert g.switch() == "in it"
    with pytest.raises(ValueError, match="generator already executing"):
        next(generator)
    assert g.switch("value") == "value"
    assert list(generator) == []


def test_recursive_generators():
    def permutations(items):
        if len(items) < 2:
            yield items
            return
        for i, item in enumerate(items):
            for rest in permutations(items[:i] + items[i + 1 :]):
                main.switch()
                yield [item] + rest

    def run():
        return len(list(permutations([1, 2, 3, 4])))

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3)]
    results = []
    while gs:
        for g in list(gs):
            value = g.switch()
            if g.dead:
                gs.remove(g)
                results.append(value)
    assert results == [24] * 3


def test_an_exception_handled_in_a_generator_stays_there():
    def handling():
        try:
            raise KeyError
        except KeyError:
            main.switch()
            yield sys.exc_info()[0]

    def run():
        try:
            raise ValueError
        except ValueError:
            inner = next(handling())
            return inner, sys.exc_info()[0]

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    assert sys.exc_info()[0] is None
    assert g.switch() == (KeyError, ValueError)


def test_a_greenlet_dies_in_a_generator():
    def numbers():
        try:
            main.switch()
            yield 1
        finally:
            seen.append("finally")

    main, seen = getcurrent(), []
    g = greenlet(lambda: next(numbers()))
    g.switch()
    del g
    assert seen == ["finally"]


@types.coroutine
def suspend(value):
    return (yield value)


def test_coroutines_run_across_switches():
    async def work(n):
        first = main.switch(n)
        return first + await suspend("awaits")

    main = getcurrent()

    def run(n):
        coroutine = work(n)
        assert coroutine.send(None) == "awaits"
        try:
            coroutine.send(10)
        except StopIteration as stop:
            return stop.value

    gs = [greenlet(run) for _ in range(3)]
    assert [g.switch(i) for i, g in enumerate(gs)] == [0, 1, 2]
    assert [g.switch(i) for i, g in enumerate(gs)] == [10, 11, 12]


def test_a_bridge_between_async_and_blocking_code():
    """What SQLAlchemy does: blocking code in a greenlet awaits by switching to
    its parent, which does."""

    async def in_greenlet(fn, *args):
        g = greenlet(fn)
        result = g.switch(*args)
        while not g.dead:
            try:
                value = await result
            except BaseException as error:
                result = g.throw(error)
            else:
                result = g.switch(value)
        return result

    def wait_for(awaitable):
        return getcurrent().parent.switch(awaitable)

    async def fail():
        await asyncio.sleep(0)
        raise KeyError("in async code")

    def blocking(n):
        task = asyncio.current_task()
        wait_for(asyncio.sleep(0))
        assert asyncio.current_task() is task
        with pytest.raises(KeyError):
            wait_for(fail())
        return n + wait_for(asyncio.sleep(0, 1))

    async def main():
        return await asyncio.gather(*(in_greenlet(blocking, n) for n in range(5)))

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


def test_event_loops_in_greenlets():
    async def work(n):
        for _ in range(3):
            await asyncio.sleep(0)
        return n

    def run(n):
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(work(n))
        finally:
            loop.close()

    assert [greenlet(run).switch(n) for n in range(3)] == [0, 1, 2]


def test_async_generators_across_switches():
    async def numbers():
        for i in range(3):
            main.switch(i)
            yield i

    async def collect():
        return [i async for i in numbers()]

    main = getcurrent()
    g = greenlet(lambda: asyncio.run(collect()))
    assert [g.switch(), g.switch(), g.switch()] == [0, 1, 2]
    assert g.switch() == [0, 1, 2]


# ---- deallocation ----------------------------------------------------------


def test_deep_structures_are_freed_in_a_greenlet():
    """The interpreter's trashcan defers them; its state is the greenlet's."""

    class Node:
        def __init__(self, other):
            self.other = other

        def __del__(self):
            if self.n % 10_000 == 0:
                greenlet(seen.append).switch(self.n)

    def run():
        chain = None
        for n in range(50_000):
            chain = Node(chain)
            chain.n = n
        nested = []
        for _ in range(50_000):
            nested = [nested]
        del chain, nested

    seen = []
    greenlet(run).switch()
    assert sorted(seen) == [0, 10_000, 20_000, 30_000, 40_000]


def test_switching_in_the_middle_of_a_deallocation():
    class Switches:
        def __del__(self):
            main.switch("in del")

    def run():
        thing = [[[Switches()]]]
        del thing
        return "after"

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3)]
    assert [g.switch() for g in gs] == ["in del"] * 3
    assert [g.switch() for g in gs] == ["after"] * 3


def test_with_blocks_and_exceptions_across_switches():
    class Scope:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            main.switch("enter " + self.name)
            return self

        def __exit__(self, type, value, traceback):
            main.switch(f"exit {self.name} {type and type.__name__}")
            return type is KeyError

    def run(name, error):
        with Scope(name):
            if error:
                raise error
        return name

    main = getcurrent()
    a, b = greenlet(run), greenlet(run)
    assert a.switch("a", KeyError) == "enter a"
    assert b.switch("b", None) == "enter b"
    assert a.switch() == "exit a KeyError"
    assert b.switch() == "exit b None"
    assert a.switch() == "a" and b.switch() == "b"


def test_greenlet_exit_is_not_caught_by_except_exception():
    def run():
        try:
            main.switch()
        except Exception:
            return "caught"

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    assert isinstance(g.throw(), GreenletExit)
