"""grove.util: run information, the tree of greenlets, assert_switches; and the
small modules beside it."""

import io
import threading
import time
import traceback

import grove
import pytest
from grove import contextvars
from grove._core import greenlet
from grove.hubs import ident as _ident
from grove.local import local
from grove.monitoring import tracer as _tracer
from grove.private import compat as _compat
from grove.private import tblib as _tblib
from grove.private import threading as _threading
from grove.private import util as _util
from grove.util import (
    GreenletTree,
    assert_switches,
    clear_stack_frames,
    format_run_info,
    is_idle_threadpool_worker,
    print_run_info,
    wrap_errors,
)


@pytest.fixture
def family():
    """A greenlet that has spawned two others, all of which wait."""

    class Data(local):
        pass

    def wait():
        grove.sleep(100)

    def parent():
        data = Data()
        data.value = "a local's value"
        grove.getcurrent().spawn_tree_locals["shared"] = 1
        children.extend((grove.spawn(wait), grove.spawn_raw(wait)))
        grove.sleep(100)

    children = []
    first = grove.spawn(parent)
    grove.sleep(0)
    grove.sleep(0)
    yield first, *children
    grove.killall([first, *children])


def test_run_info(family):
    text = "\n".join(format_run_info())
    for part in ("Threads", "(MainThread) (CURRENT)", "Greenlets", "a local's value"):
        assert part in text
    assert "in parent" in text and "Spawned at:" in text and "in family" in text
    short = "\n".join(format_run_info(thread_stacks=False, greenlet_stacks=False))
    assert "Running:" not in short and "in _format_stack" not in short


def test_print_run_info(family, capsys):
    file = io.StringIO()
    print_run_info(limit=3, file=file)
    assert "Greenlets" in file.getvalue()
    print_run_info()
    assert "Greenlets" in capsys.readouterr().err


def test_tree(family):
    parent, child, raw = family
    tree = GreenletTree.current_tree()
    assert tree.is_current_tree and tree.greenlet is grove.getcurrent()
    (mine,) = [t for t in tree.child_trees if t.greenlet is parent]
    assert {t.greenlet for t in mine.child_trees} == {child, raw}
    assert tree.root and not mine.root
    assert grove.get_hub() in [t.greenlet for t in tree.child_trees]
    lines = str(tree).splitlines()
    assert len([line for line in lines if "+---" in line]) >= 4
    assert "Spawned at:" not in tree.format(details={"spawning_stacks": False})
    assert "Running:" not in tree.format(details={"running_stacks": False})
    assert "Spawn Tree Locals" in tree.format()
    assert "Parent:" not in tree.format(details=False)


def test_a_tree_tells_of_those_that_have_finished(capsys):
    def parent():
        return children.extend(map(grove.spawn, (len, fails, str), ((), 1, "x" * 90)))

    def fails(argument):
        raise ValueError(argument)

    children = []
    first = grove.spawn(parent)
    grove.joinall([first])
    raw = greenlet(lambda: None)
    never = grove.Greenlet(len)
    grove.joinall(children)
    tree = GreenletTree.current_tree()
    (mine,) = [t for t in tree.child_trees if t.greenlet is first]
    assert {t.greenlet for t in mine.child_trees} == set(children)
    lines = tree.format(details=False).splitlines()

    def line_of(g):
        (line,) = [line for line in lines if hex(id(g)) in line.split("; ")[0]]
        return line

    assert line_of(first).endswith("; finished")
    assert lines.index(line_of(first)) < lines.index(line_of(children[0]))
    assert line_of(children[0]).endswith("; finished with value 0")
    assert line_of(children[1]).endswith("; finished with exception ValueError(1)")
    assert line_of(children[2]).endswith(f"; finished with value '{'x' * 29}")
    assert line_of(raw).endswith("; not running")
    assert line_of(never).endswith("; not running")
    raw.switch()
    lines = GreenletTree.current_tree().format(details=False).splitlines()
    assert line_of(raw).endswith("; not running")


def test_roots_and_those_that_are_ignored():
    class Marked(greenlet):
        pass

    def body():
        inner.append(greenlet(wait))
        inner[0].switch()

    def wait():
        main.switch()

    main, inner = grove.getcurrent(), []
    outer = Marked(body)
    outer.switch()
    assert [t.greenlet for t in GreenletTree.forest()].count(outer) == 0
    outer.greenlet_tree_is_root = True
    (root,) = [t for t in GreenletTree.forest() if t.greenlet is outer]
    assert [t.greenlet for t in root.child_trees] == inner
    assert not root.root and not root.is_current_tree
    outer.greenlet_tree_is_ignored = True
    everywhere = "".join(map(str, GreenletTree.forest()))
    assert hex(id(outer)) not in everywhere and hex(id(inner[0])) not in everywhere
    main.greenlet_tree_is_ignored = True
    try:
        assert GreenletTree.current_tree().greenlet is main
    finally:
        del main.greenlet_tree_is_ignored


def test_trees_of_other_threads():
    ready, done = threading.Event(), threading.Event()

    def other():
        def wait():
            grove.sleep(0.001)

        grove.spawn(wait).join()
        ready.set()
        done.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert ready.wait(60)
    forest = GreenletTree.forest()
    done.set()
    thread.join()
    assert len(forest) >= 2 and sum(tree.is_current_tree for tree in forest) == 1


def test_spawning_stack():

    def make():
        return grove.spawn(len, ())

    spawned = make()
    frame = spawned.spawning_stack
    assert frame.f_code is make.__code__ and frame.f_back.f_lineno > frame.f_lineno
    assert "spawned = make()" in "".join(traceback.format_stack(frame))
    assert "in make" in repr(frame)
    spawned.join()

    class Short(grove.Greenlet):
        spawning_stack_limit = 1

    assert Short.spawn(len, ()).spawning_stack.f_back is None
    assert grove.Greenlet.spawning_stack_limit == 10
    grove.config.track_greenlet_tree = False
    try:
        assert make().spawning_stack is None
    finally:
        grove.config.track_greenlet_tree = True


def test_assert_switches():
    with assert_switches():
        grove.sleep(0)
    with pytest.raises(AssertionError, match="To any greenlet"):
        with assert_switches():
            pass
    with assert_switches(max_blocking_time=30, hub_only=True):
        pass
    with pytest.raises(AssertionError, match=r"max allowed 0\.0200"):
        with assert_switches(max_blocking_time=0.02):
            grove.sleep(0)
            time.sleep(0.05)
            grove.sleep(0)
    with pytest.raises(AssertionError, match="To the hub"):
        with assert_switches(max_blocking_time=0.02, hub_only=True):
            greenlet(lambda: None).switch()  # nobody waits
            time.sleep(0.05)

    # What blocks ends, and the hub sleeps.
    for hub_only in (True, False):
        for block in (grove.spawn, grove.get_hub().loop.run_callback):
            with pytest.raises(AssertionError, match="max allowed"):
                with assert_switches(max_blocking_time=0.02, hub_only=hub_only):
                    block(time.sleep, 0.05)
                    grove.sleep(0.1)

    @assert_switches()
    def blocks():
        return 1

    with pytest.raises(AssertionError, match="blocks"):
        blocks()
    with pytest.raises(KeyError):  # what is raised inside comes out
        with assert_switches():
            raise KeyError


def test_assert_switches_does_not_add_up():
    """Neither of several that end, nor of several callbacks."""
    for hub_only in (True, False):
        for begin in (grove.spawn, grove.get_hub().loop.run_callback):
            with assert_switches(max_blocking_time=0.5, hub_only=hub_only):
                for _ in range(4):
                    begin(time.sleep, 0.15)
                grove.sleep(0)
                grove.sleep(0.001)


def test_wrap_errors():
    wrapped = wrap_errors((ValueError, KeyError), int)
    assert wrapped("3") == 3 and isinstance(wrapped("x"), ValueError)
    assert repr(wrapped) == repr(int) and str(wrapped) == str(int)
    assert wrapped.from_bytes is not None
    with pytest.raises(TypeError):
        wrapped([])


def test_frames():
    def fails():
        local_value = [1]
        raise ValueError(local_value)

    try:
        fails()
    except ValueError as error:
        frame = error.__traceback__.tb_next.tb_frame
    assert frame.f_locals
    clear_stack_frames(frame)
    assert not frame.f_locals
    assert is_idle_threadpool_worker(frame) is False
    clear_stack_frames(None)


def test_tracers():
    hub = grove.get_hub()
    with _tracer.GreenletTracer() as tracer:
        before = tracer.greenlet_switch_counter
        grove.sleep(0.001)
        assert tracer.greenlet_switch_counter > before
        assert tracer.active_greenlet is grove.getcurrent()
        assert tracer.did_block_hub(hub) == (False, grove.getcurrent())
        assert tracer.did_block_hub(hub) == (True, grove.getcurrent())
        grove.sleep(0.001)
        assert tracer.did_block_hub(hub)[0] is False
        assert tracer.previous_trace_function is None
        report = tracer.did_block_hub_report(hub, grove.getcurrent(), {})
        assert "appears to be blocked" in "\n".join(report)
    assert tracer.greenlet_switch_counter == 0 and tracer.active_greenlet is None
    assert tracer.did_block_hub(hub) == (False, None)


def test_util_tools():

    class Thing:
        @_util.Lazy
        def lazy(self):
            computed.append(1)
            return 5

        @_util.readproperty
        def read(self):
            return 6

        computed = property(lambda self: computed)

    class OnClass:
        shared = _util.LazyOnClass(lambda self: computed.append(2) or 7, "shared")

    computed = []
    thing = Thing()
    assert thing.lazy == thing.lazy == 5 and computed == [1]
    assert thing.read == 6
    thing.read = 7
    assert thing.read == 7
    assert OnClass().shared == OnClass().shared == 7 and computed == [1, 2]

    names = {}
    copied = _util.copy_globals(threading, names, only_names=["Thread"])
    assert copied == ["Thread"] and names == {"Thread": threading.Thread}
    everything = _util.copy_globals(threading, {}, names_to_ignore=["Thread"])
    assert "Thread" not in everything and "__name__" not in everything
    with pytest.raises(AttributeError):
        _util.copy_globals(threading, {}, only_names=["nothing"])
    assert _util.copy_globals(
        threading, {}, only_names=["nothing"], ignore_missing_names=True
    ) == []
    assert _util.import_c_accel({}, "gevent.x") is None
    assert _util.gmctime().endswith("Z")


def test_idents():

    class Thing:
        pass

    registry = _ident.IdentRegistry()
    things = [Thing() for _ in range(3)]
    assert [registry.get_ident(thing) for thing in things] == [0, 1, 2]
    assert registry.get_ident(things[0]) == 0 and len(registry) == 3
    del things[1]
    assert registry.get_ident(Thing()) == 1


def test_the_rest():
    assert _compat.PY3 and _compat.LINUX is not None
    with pytest.raises(ValueError):
        _compat.reraise(ValueError, ValueError())
    queue = _threading.Queue()
    queue.put(1)
    assert queue.get() == 1
    try:
        raise ValueError
    except ValueError as error:
        tb = error.__traceback__
    assert _tblib.load_traceback(_tblib.dump_traceback(tb)) is tb
    variable = contextvars.ContextVar("variable", default=0)
    grove.spawn(variable.set, 5).join()
    assert variable.get() == 0 and contextvars.copy_context() is not None


@pytest.mark.parametrize("hub_only", [False, True])
def test_assert_switches_by_giving_way(hub_only):
    with assert_switches(hub_only=hub_only):
        grove.sleep(0)  # though nobody else wants to run
