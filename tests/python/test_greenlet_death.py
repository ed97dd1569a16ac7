"""The raw greenlet: what happens when nobody refers to it any more."""

import gc
import sys
import weakref

import pytest
from grove._greenlet import GreenletExit, getcurrent, greenlet


@pytest.fixture(autouse=True)
def no_collections():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Unraisable:
    """What sys.unraisablehook is given meanwhile."""

    def __enter__(self):
        self.before = sys.unraisablehook
        self.errors = []
        sys.unraisablehook = lambda u: self.errors.append(u.exc_type)
        return self.errors

    def __exit__(self, *error):
        sys.unraisablehook = self.before


class Stderr:
    """What is written to sys.stderr meanwhile."""

    def __enter__(self):
        self.before, sys.stderr, self.text = sys.stderr, self, ""
        return self

    def write(self, text):
        self.text += text

    def __exit__(self, *error):
        sys.stderr = self.before


# ---- the last reference ----------------------------------------------------


def test_the_last_reference_gone_ends_it():
    def run():
        try:
            main.switch()
        except GreenletExit:
            seen.append("exit")
            raise
        finally:
            seen.append("finally")

    main, seen = getcurrent(), []
    g = greenlet(run)
    g.switch()
    ref = weakref.ref(g)
    del g
    assert seen == ["exit", "finally"] and ref() is None


def test_its_parent_is_the_current_one_meanwhile():
    def run():
        try:
            main.switch()
        finally:
            seen.append(getcurrent().parent)

    def other():
        holder.clear()
        return "other goes on"

    main, seen = getcurrent(), []
    holder = [greenlet(run)]
    holder[0].switch()
    g = greenlet(other)
    assert g.switch() == "other goes on"
    assert seen == [g]


def test_what_ends_it_otherwise_is_reported():
    def run():
        try:
            main.switch()
        finally:
            raise ValueError

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    with Unraisable() as errors:
        del g
    assert errors == [ValueError]


def test_an_exception_in_flight_is_kept():
    def run():
        try:
            main.switch()
        except GreenletExit:
            pass

    main = getcurrent()

    def fail():
        g = greenlet(run)
        g.switch()
        raise KeyError("kept")  # and g dies while it goes up

    with pytest.raises(KeyError, match="kept"):
        fail()


def test_one_that_switches_away_instead_is_reported_and_kept():
    def run():
        while True:
            try:
                main.switch()
            except GreenletExit:
                if len(seen) == 1:
                    raise
                seen.append(weakref.ref(getcurrent()))

    main, seen = getcurrent(), []
    g = greenlet(run)
    g.switch()
    with Stderr() as stderr:
        del g
    assert stderr.text.startswith("GreenletExit did not kill <greenlet.greenlet")
    assert not seen[0]().dead
    assert isinstance(seen[0]().throw(), GreenletExit)


def test_resurrection():
    def run():
        try:
            main.switch()
        except GreenletExit:
            kept.append(getcurrent())
            main.switch("ignored")
        return "ended"

    main, kept = getcurrent(), []
    parent = greenlet(lambda value: ("parent got", value))
    g = greenlet(run, parent)
    g.switch()
    del g
    assert not kept[0].dead and kept[0].parent is parent  # again
    assert kept[0].switch() == ("parent got", "ended")
    assert kept.pop().dead


def test_resurrection_of_a_subclass():
    class Mine(greenlet):
        pass

    def run():
        try:
            main.switch()
        except GreenletExit:
            kept.append(getcurrent())
            main.switch()

    main, kept = getcurrent(), []
    references = sys.getrefcount(Mine)
    g = Mine(run)
    g.switch()
    del g
    assert type(kept[0]) is Mine and not kept[0].dead
    kept.pop().switch()
    assert sys.getrefcount(Mine) == references


def test_a_finalizer_of_a_subclass_comes_first():
    class Mine(greenlet):
        def __del__(self):
            seen.append("del")

    def run():
        try:
            main.switch()
        finally:
            seen.append("run")

    main, seen = getcurrent(), []
    g = Mine(run)
    g.switch()
    del g
    assert seen == ["del", "run"]


def test_one_that_runs_its_own_method_is_left_to_the_collector():
    class Mine(greenlet):
        def run(self):
            try:
                main.switch()
            finally:
                seen.append("finally")

    main, seen = getcurrent(), []
    g = Mine()
    g.switch()
    ref = weakref.ref(g)
    del g  # the method that runs refers to it
    gc.collect()
    assert seen == ["finally"] and ref() is None


def test_the_switch_that_drops_the_last_reference_to_the_origin():
    """Its value arrives, though the origin's end runs code that switches."""

    def run():
        try:
            main.switch("value")
        finally:
            greenlet(lambda: main_here.append(getcurrent())).switch()

    main, main_here = getcurrent(), []
    assert greenlet(run).switch() == "value"
    assert len(main_here) == 1


def test_an_exception_thrown_by_one_that_dies_of_it():
    def run():
        try:
            main.throw(KeyError, "thrown")
        finally:
            seen.append("ended")

    main, seen = getcurrent(), []
    with pytest.raises(KeyError, match="thrown"):
        greenlet(run).switch()
    assert seen == ["ended"]


def test_unstarted_and_dead_ones_go_in_silence():
    g = greenlet(lambda: pytest.fail("it ran"))
    ref = weakref.ref(g)
    del g
    assert ref() is None
    g = greenlet(lambda: None)
    g.switch()
    ref = weakref.ref(g)
    del g
    assert ref() is None


def test_what_it_referred_to_goes_with_it():
    class Thing:
        pass

    def run(thing):
        main.switch()

    main = getcurrent()
    things = [Thing() for _ in range(3)]
    refs = [weakref.ref(thing) for thing in things]
    finished, killed, thrown = (greenlet(run) for _ in range(3))
    for g in (finished, killed, thrown):
        g.switch(things.pop())
    assert all(ref() for ref in refs)
    finished.switch()
    del killed
    thrown.throw()
    assert [ref() for ref in refs] == [None] * 3
    assert finished.dead and thrown.dead


# ---- cycles ----------------------------------------------------------------


def test_unstarted_cycles_are_collected():
    g = greenlet()
    g.run = lambda g=g: g
    ref = weakref.ref(g)
    del g
    gc.collect()
    assert ref() is None


def test_dead_cycles_are_collected():
    g = greenlet(lambda: None)
    g.me = g
    g.switch()
    ref = weakref.ref(g)
    del g
    gc.collect()
    assert ref() is None


def test_cycles_through_suspended_frames_are_collected():
    def run(arguments):
        me = getcurrent()
        try:
            main.switch()
        finally:
            seen.append("finally")
        return me

    main, seen = getcurrent(), []
    for _ in range(3):
        arguments = [None]
        g = arguments[0] = greenlet(run)
        g.switch(arguments)
        ref = weakref.ref(g)
        del g, arguments
        gc.collect()
        assert ref() is None and seen.pop() == "finally"


def test_a_cycle_through_the_attributes_of_a_suspended_one():
    def run():
        try:
            main.switch()
        finally:
            seen.append("finally")

    main, seen = getcurrent(), []
    g = greenlet(run)
    g.me = g
    g.switch()
    del g
    gc.collect()
    assert seen == ["finally"]


def test_a_cycle_through_a_generator_does_no_harm():
    def numbers():
        me = getcurrent()
        yield main.switch()
        yield me

    main = getcurrent()
    g = greenlet(lambda: list(numbers()))
    g.switch()
    ref = weakref.ref(g)
    del g
    gc.collect()  # what a running generator refers to is not seen
    if ref():
        assert ref().switch(1)[0] == 1
    assert ref() is None or ref().dead


def test_collection_while_greenlets_are_suspended_all_over():
    class Node:
        def __init__(self, other):
            self.other = other
            self.me = self

    def run(node, depth):
        local = [node, Node(getcurrent())]
        if depth:
            try:
                raise ValueError(local)
            except ValueError:
                max([1], key=lambda _: run(Node(node), depth - 1))
        else:
            main.switch()
        return len(local)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(50)]
    for i, g in enumerate(gs):
        g.switch(Node(g), i % 7)
    for _ in range(3):
        gc.collect()
    for g in gs[::2]:
        assert g.switch() == 2
    gc.collect()
    refs = [weakref.ref(g) for g in gs]
    gs.clear()
    del g
    gc.collect()
    # What a C stack refers to (a call of max, its key) is not seen; without
    # that, everything is.
    flat = [ref for i, ref in enumerate(refs) if i % 7 == 0]
    assert not any(ref() for ref in flat)
    for ref in refs:
        if ref():
            ref().throw()
    gc.collect()
    assert not any(ref() for ref in refs)


def test_a_survivor_of_the_collector():
    def run():
        me = getcurrent()
        try:
            main.switch()
        except GreenletExit:
            kept.append(me)
            main.switch()
        return "ended"

    main, kept = getcurrent(), []
    g = greenlet(run)
    g.switch()
    del g
    gc.collect()
    assert kept.pop().switch() == "ended"
