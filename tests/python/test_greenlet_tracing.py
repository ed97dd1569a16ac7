"""The raw greenlet and tracers: its own, and those of the interpreter."""

import faulthandler
import subprocess
import sys
import threading
import tracemalloc

import grove
import pytest
from grove._greenlet import GreenletExit, getcurrent, gettrace, greenlet, settrace

STALE_CODE = pytest.mark.skipif(
    hasattr(sys, "gettotalrefcount") and (3, 12) <= sys.version_info < (3, 15),
    reason="a debug build of CPython 3.12 to 3.14 asserts that code which runs is "
    "prepared for what is traced now, and lets nobody prepare that of suspended "
    "greenlets; 3.15 does, and release builds do not mind",
)


class Traced:
    """The events of a block, as (event, origin, target)."""

    def __enter__(self):
        self.events = []
        self.before = settrace(self.told)
        return self.events

    def told(self, event, who):
        self.events.append((event, *who))

    def __exit__(self, *error):
        settrace(self.before)


# ---- settrace --------------------------------------------------------------


def test_settrace_returns_the_previous_one():
    def first(event, who):
        pass

    assert gettrace() is None
    assert settrace(first) is None
    assert gettrace() is first
    assert settrace(None) is first
    assert settrace(None) is None and gettrace() is None


def test_every_switch_is_told():
    def run():
        main.switch()

    main = getcurrent()
    g = greenlet(run)
    with Traced() as events:
        g.switch()
        g.switch()
    assert events == [
        ("switch", main, g),  # before run
        ("switch", g, main),
        ("switch", main, g),
        ("switch", g, main),  # its end
    ]


def test_throws_and_exceptions_are_throws():
    def run():
        try:
            main.switch()
        except KeyError:
            raise ValueError

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    with Traced() as events:
        with pytest.raises(ValueError):
            g.throw(KeyError)
    assert events == [("throw", main, g), ("throw", g, main)]


def test_a_handled_greenlet_exit_is_a_switch():
    main = getcurrent()
    g = greenlet(main.switch)
    g.switch()
    with Traced() as events:
        g.throw(GreenletExit)
    assert events == [("throw", main, g), ("switch", g, main)]


def test_an_exception_into_an_unstarted_one_never_leaves_here():
    g = greenlet(lambda: None)
    with Traced() as events:
        with pytest.raises(KeyError):
            g.throw(KeyError)
    assert events == []


def test_it_is_called_in_the_target_and_not_traced():
    def tracer(event, who):
        seen.append(getcurrent() is who[1])

    seen = []
    settrace(tracer)
    try:
        greenlet(lambda: None).switch()
    finally:
        settrace(None)
    assert seen == [True, True]


def test_a_tracer_that_fails_is_removed_and_its_error_raised():
    def tracer(event, who):
        raise RuntimeError("tracer")

    g = greenlet(lambda: pytest.fail("it ran"))
    settrace(tracer)
    with pytest.raises(RuntimeError, match="tracer"):
        g.switch()
    assert gettrace() is None and g.dead


def test_a_tracer_that_fails_on_the_way_back():
    def tracer(event, who):
        if who[1] is main:
            raise RuntimeError("tracer")

    main = getcurrent()
    g = greenlet(main.switch)
    settrace(tracer)
    with pytest.raises(RuntimeError, match="tracer"):
        g.switch("value")
    assert gettrace() is None and not g.dead
    g.switch()


def test_a_tracer_may_remove_itself():
    def tracer(event, who):
        seen.append(event)
        settrace(None)

    seen = []
    settrace(tracer)
    greenlet(lambda: None).switch()
    assert seen == ["switch"] and gettrace() is None


def test_a_tracer_is_its_threads():
    def other():
        seen.append(gettrace())
        with Traced() as events:
            greenlet(lambda: None).switch()
        seen.append(len(events))

    seen = []
    with Traced() as events:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [None, 2] and events == []


def test_the_end_of_a_greenlet_nobody_refers_to_is_told():
    def run():
        main.switch()

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    name = repr(g).split(" (")[0]
    with Traced() as events:
        del g
    assert [event[0] for event in events] == ["throw", "switch"]
    assert repr(events[0][2]).startswith(name)
    events.clear()


def test_waits_are_switches_to_the_hub_and_from_it():
    hub, main = grove.get_hub(), getcurrent()
    a = grove.spawn(grove.sleep, 0)
    with Traced() as events:
        a.join()
    assert events[0] == ("switch", main, hub)
    assert events[1] == ("switch", hub, a)
    assert events[-1] == ("switch", hub, main)
    for before, after in zip(events, events[1:]):
        assert before[2] is after[1]  # without gaps
        assert hub in before[1:]
    assert a in [event[2] for event in events]


def test_callbacks_run_in_the_hub():
    hub, main = grove.get_hub(), getcurrent()
    seen = []
    with Traced() as events:
        hub.loop.run_callback(lambda: seen.append(list(events)))
        grove.sleep(0)
    assert seen == [[("switch", main, hub)]]
    assert events[-1] == ("switch", hub, main)


def test_a_kill_is_a_throw():
    hub, main = grove.get_hub(), getcurrent()
    a = grove.spawn(grove.sleep, 100)
    grove.sleep(0)
    with Traced() as events:
        a.kill()
    assert ("throw", hub, a) in events
    assert events[0][1] is main and events[-1][2] is main


def test_a_tracer_that_fails_takes_the_place_of_what_was_switched_in():
    """A greenlet in hub.switch() gets its exception, and no value as well."""

    def tracer(event, who):
        if who[1] is waiting:
            settrace(None)
            raise ValueError("tracer")

    def wait():
        with pytest.raises(ValueError, match="tracer"):
            grove.get_hub().switch()
        grove.sleep(0)  # nothing is left of the value

    waiting = grove.spawn(wait)
    grove.sleep(0)
    settrace(tracer)
    grove.get_hub().loop.run_callback(waiting.switch, "value")
    try:
        waiting.get(timeout=60)
    finally:
        settrace(None)


# ---- the interpreter's -----------------------------------------------------


def lines_of(function, *args):
    """(code's name, event) of what sys.settrace sees of function(*args)."""

    def tracer(frame, event, arg):
        if frame.f_code.co_filename == __file__:
            seen.append((frame.f_code.co_name, event))
        return tracer

    seen = []
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return seen


def other():
    getcurrent().parent.switch()
    return 2


def drive():
    g = greenlet(other)
    g.switch()
    g.switch()


def test_sys_settrace_goes_on_across_switches():
    seen = lines_of(drive)
    assert ("other", "call") in seen
    assert seen.count(("other", "line")) == 2
    assert seen.count(("drive", "line")) == 3
    assert ("other", "return") in seen and ("drive", "return") in seen


def test_sys_settrace_set_in_a_greenlet_is_the_threads():
    def tracer(frame, event, arg):
        seen.append(frame.f_code.co_name)

    def traced_later():
        pass

    def sets():
        sys.settrace(tracer)

    seen = []
    before = sys.gettrace()
    try:
        greenlet(sets).switch()
        assert sys.gettrace() is tracer
        traced_later()
        greenlet(traced_later).switch()
    finally:
        sys.settrace(before)
    assert seen == ["traced_later", "traced_later"]


@STALE_CODE
def test_sys_settrace_removed_in_a_greenlet():
    def tracer(frame, event, arg):
        seen.append(frame.f_code.co_name)
        return tracer

    def removes():
        sys.settrace(None)
        getcurrent().parent.switch()

    def not_traced():
        pass

    seen, before = [], sys.gettrace()
    try:
        g = greenlet(removes)
        sys.settrace(tracer)
        g.switch()
        not_traced()
        greenlet(not_traced).switch()
        assert sys.gettrace() is None
        g.switch()
    finally:
        sys.settrace(before)
    assert "removes" in seen and "not_traced" not in seen


@STALE_CODE
@pytest.mark.parametrize("how", ["settrace", "setprofile"])
def test_tracing_begins_while_a_greenlet_is_suspended(how):
    """In another thread, which leaves the code that this one runs traced."""

    def trace():
        getattr(sys, how)(lambda *event: None)

    def child():
        thread = threading.Thread(target=trace)
        thread.start()
        thread.join()

    def numbers():
        yield greenlet(child).switch()

    def fail():
        list(numbers())
        raise KeyError

    with pytest.raises(KeyError):
        fail()


def test_sys_setprofile_goes_on_across_switches():
    def profiler(frame, event, arg):
        if event in ("call", "return") and frame.f_code in (
            other.__code__,
            drive.__code__,
        ):
            seen.append((frame.f_code.co_name, event))

    seen, before = [], sys.getprofile()
    sys.setprofile(profiler)
    try:
        drive()
    finally:
        sys.setprofile(before)
    assert seen == [
        ("drive", "call"),
        ("other", "call"),
        ("other", "return"),
        ("drive", "return"),
    ]


if sys.version_info >= (3, 12):

    def test_sys_monitoring_goes_on_across_switches():
        monitoring = sys.monitoring
        events = monitoring.events
        seen = []
        codes = (other.__code__, drive.__code__)

        def starts(code, offset):
            if code in codes:
                seen.append((code.co_name, "start"))

        def returns(code, offset, value):
            if code in codes:
                seen.append((code.co_name, "return"))

        monitoring.use_tool_id(monitoring.PROFILER_ID, "test")
        try:
            monitoring.register_callback(
                monitoring.PROFILER_ID, events.PY_START, starts
            )
            monitoring.register_callback(
                monitoring.PROFILER_ID, events.PY_RETURN, returns
            )
            monitoring.set_events(
                monitoring.PROFILER_ID, events.PY_START | events.PY_RETURN
            )
            drive()
        finally:
            monitoring.set_events(monitoring.PROFILER_ID, 0)
            monitoring.free_tool_id(monitoring.PROFILER_ID)
        assert seen == [
            ("drive", "start"),
            ("other", "start"),
            ("other", "return"),
            ("drive", "return"),
        ]


def test_tracemalloc_knows_the_greenlets_frames():
    def allocate():
        getcurrent().parent.switch()
        return bytearray(123_457)

    tracemalloc.start(5)
    try:
        g = greenlet(allocate)
        g.switch()
        kept = g.switch()
        traceback = tracemalloc.get_object_traceback(kept)
    finally:
        tracemalloc.stop()
    assert len(traceback) == 1
    assert traceback[0].lineno == allocate.__code__.co_firstlineno + 2


def test_faulthandler_tells_the_greenlets_frames(tmp_path):
    def run():
        with open(tmp_path / "text", "w") as file:
            faulthandler.dump_traceback(file, all_threads=False)

    greenlet(run).switch()
    lines = (tmp_path / "text").read_text().splitlines()
    assert len(lines) == 2 and lines[1].endswith(" in run")


def test_faulthandler_on_a_full_stack():
    source = """
import faulthandler, sys
from grove._core import greenlet, stack_size
sys.path.insert(0, sys.argv[1])
import recursion
faulthandler.enable()
stack_size(1 << 18)
deep = ()
for _ in range(100_000):
    deep = (deep,)
greenlet(lambda: hash(deep)).switch()  # nothing bounds it
"""
    result = subprocess.run(
        [sys.executable, "-c", source, str(__file__).rsplit("/", 1)[0]],
        capture_output=True,
        text=True,
    )
    assert "grove: stack overflow in fiber" in result.stderr
    assert "Fatal Python error: Segmentation fault" in result.stderr
    assert "in <lambda>" in result.stderr  # the greenlet's frame
    assert result.returncode == -11
