"""grove.Greenlet: what it is told, what it runs, what it leaves."""

import gc
import subprocess
import sys
import weakref

import grove
import pytest
from grove import Greenlet


def test_runs_when_its_turn_comes():
    seen = []

    def foo():
        seen.append("foo")
        grove.sleep(0)
        seen.append("foo")

    def bar():
        seen.append("bar")
        grove.sleep(0)
        seen.append("bar")

    grove.joinall([grove.spawn(foo), grove.spawn(bar)])
    assert seen == ["foo", "bar", "foo", "bar"]


def test_spawn_does_not_run_at_once():
    seen = []
    g = grove.spawn(seen.append, 1)
    assert not seen
    g.join()
    assert seen == [1]


@pytest.mark.parametrize("make", [Greenlet, grove.spawn, Greenlet.spawn])
def test_arguments(make):
    def f(*args, **kwargs):
        return args, kwargs

    g = make(f, 1, "x", z=[2])
    assert (g.args, g.kwargs) == ((1, "x"), {"z": [2]})
    g.start()
    assert g.get() == ((1, "x"), {"z": [2]})
    assert (g.args, g.kwargs) == ((), {})


def positional(*args):
    return args


@pytest.mark.parametrize("count", range(6))
def test_as_many_arguments(count):
    args = tuple(object() for _ in range(count))
    g = grove.spawn(positional, *args)
    assert g.get() == args
    assert g.args == ()


@pytest.mark.parametrize("count", range(6))
def test_args_asked_for_stay_the_same(count):
    args = tuple(object() for _ in range(count))
    g = grove.spawn(positional, *args)
    assert g.args == args and g.args is g.args
    assert repr(g.args)[1:-1].rstrip(",") in repr(g)
    assert g.get() == args


@pytest.mark.parametrize("count", range(6))
def test_args_can_be_replaced(count):
    g = grove.spawn(positional, *range(count))
    g.args = ("other",)
    assert g.args == ("other",)
    assert g.get() == ("other",)
    with pytest.raises(TypeError):
        g.args = ["x"]


@pytest.mark.parametrize("count", range(1, 6))
def test_keywords_can_be_added_to_arguments(count):
    def f(*args, **kwargs):
        return args, kwargs

    g = grove.spawn(f, *range(count))
    g.kwargs["z"] = 1
    assert g.get() == (tuple(range(count)), {"z": 1})


@pytest.mark.parametrize("count", range(1, 6))
def test_args_replaced_meanwhile_are_those_of_the_call(count):
    class Seen:
        pass

    args = [Seen() for _ in range(count)]
    gone = weakref.ref(args[-1])

    def f(*args):
        grove.getcurrent().args = ()
        del args
        gc.collect()
        return gone() is not None

    g = grove.spawn(f, *args)
    del args
    assert g.get()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("count", range(1, 4))
def test_arguments_are_seen_by_the_collector(count):
    argument = object()
    g = grove.spawn(positional, *[argument] * count)
    assert gc.get_referents(g).count(argument) == count
    g.join()
    # What it returned has them now.
    assert gc.get_referents(g).count(argument) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Greenlet(3),
        lambda: grove.spawn(3),
        lambda: grove.spawn("x", 1),
        lambda: grove.spawn_later(0.01, 3),
        lambda: grove.spawn_raw(3),
        lambda: grove.spawn_raw(),
        lambda: grove.spawn_later(),
        lambda: grove.spawn_later("x", print),
    ],
)
def test_what_is_not_callable(make):
    with pytest.raises(TypeError):
        make()


def test_states():
    g = Greenlet(lambda: 5)
    assert (bool(g), g.started, g.ready(), g.dead) == (False,) * 4
    assert (g.value, g.exception, g.exc_info) == (None,) * 3
    g.start()
    assert (bool(g), g.started, g.ready(), g.dead) == (True, True, False, False)
    g.start()  # does nothing
    g.join()
    assert (bool(g), g.started, g.ready(), g.dead) == (False, False, True, True)
    assert g.successful() and g.value == 5
    g.start()
    grove.sleep(0)
    assert g.value == 5


def test_without_a_function_it_returns_none():
    g = Greenlet.spawn()
    assert g.get() is None


def test_subclass_overrides_run():
    class Adder(Greenlet):
        def __init__(self, a, b):
            Greenlet.__init__(self)
            self.a, self.b = a, b

        def _run(self):
            grove.sleep(0)
            return self.a + self.b

    g = Adder(1, 2)
    g.start()
    assert g.get() == 3
    assert Adder.spawn(3, 4).get() == 7


def test_a_function_wins_over_the_subclass():
    class Never(Greenlet):
        def _run(self):
            return "class"

    assert Never.spawn(lambda: "argument").get() == "argument"
    assert Never.spawn().get() == "class"


def test_subclass_without_super_init():
    class Careless(Greenlet):
        def __init__(self):
            pass

        def _run(self):
            return 8

    g = Careless()
    assert "Careless" in repr(g)
    g.start()
    assert g.get() == 8


def test_subclass_overrides_public_run():
    class Own(Greenlet):
        def run(self):
            return 9

    g = Own.spawn()
    g.join()
    assert g.dead and g.value == 9


def test_failure():
    def bad():
        raise ValueError("x")

    hub = grove.get_hub()
    reported = []
    hub.handle_error = lambda *args: reported.append(args)
    try:
        g = grove.spawn(bad)
        g.join()
    finally:
        del hub.handle_error
    assert not g.successful() and g.ready() and g.value is None
    assert isinstance(g.exception, ValueError)
    type_, value, tb = g.exc_info
    assert type_ is ValueError and value is g.exception and tb is not None
    [(context, type_, value, tb)] = reported
    assert context is g and type_ is ValueError and value is g.exception


def test_get_raises_with_the_original_traceback_each_time():
    def bad():
        raise ValueError("x")

    hub = grove.get_hub()
    hub.handle_error = lambda *args: None
    g = grove.spawn(bad)
    lengths = []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            g.get()
        names = [entry.name for entry in caught.traceback]
        assert names[-1] == "bad"
        lengths.append(len(names))
    del hub.handle_error
    assert len(set(lengths)) == 1


def test_greenlet_exit_is_a_result():
    def leave():
        raise grove.GreenletExit("bye")

    g = grove.spawn(leave)
    value = g.get()
    assert isinstance(value, grove.GreenletExit) and value.args == ("bye",)
    assert g.successful() and g.exc_info is None


def test_get_in_time():
    g = grove.spawn(grove.sleep, 5)
    with pytest.raises(grove.Timeout) as caught:
        g.get(timeout=0.01)
    assert str(caught.value) == "0.01 seconds"
    with pytest.raises(grove.Timeout):
        g.get(block=False)
    assert g.join(timeout=0.01) is None and not g.ready()
    g.kill()


def test_a_timeout_of_zero_gives_a_turn():
    g = grove.spawn(lambda: 5)
    g.join(timeout=0)
    assert g.value == 5


def test_join_of_oneself():
    def join_self():
        with pytest.raises(grove.hub.LoopExit):
            grove.getcurrent().join()
        grove.getcurrent().join(timeout=0.001)
        return "went on"

    assert grove.spawn(join_self).get() == "went on"


def test_several_may_join():
    g = grove.spawn(grove.sleep, 0.01)
    joiners = [grove.spawn(g.join) for _ in range(3)] + [
        grove.spawn(g.get) for _ in range(3)
    ]
    assert len(grove.joinall(joiners, timeout=60)) == 6


def test_a_joiner_that_leaves():
    g = grove.spawn(grove.sleep, 0.02)
    joiners = [grove.spawn(g.join) for _ in range(5)]
    grove.sleep(0)
    joiners[0].kill()
    joiners[4].kill()
    joiners[2].kill()
    g.join()
    grove.joinall(joiners)
    assert all(j.ready() for j in joiners)


def test_start_later():
    seen = []
    g = Greenlet(seen.append, 1)
    g.start_later(0.01)
    assert g.started
    grove.sleep(0)
    assert not seen
    g.join()
    assert seen == [1]
    assert grove.spawn_later(0.001, lambda: 3).get() == 3


def test_spawn_later_of_a_class_with_arguments_of_its_own():
    class Doubled(Greenlet):
        def __init__(self, n):
            super().__init__()
            self.n = n

        def _run(self):
            return self.n * 2

    assert Doubled.spawn_later(0.001, 4).get() == 8


def test_switching_to_it_directly():
    g = Greenlet(lambda x: x + 1, 1)
    g.start()

    def switcher():
        # Its parent is the Hub, which does not come back here by itself.
        grove.get_hub().loop.run_callback(grove.getcurrent().switch)
        g.switch()

    grove.spawn(switcher).join()
    assert g.value == 2


def test_names():
    g = Greenlet(print)
    assert repr(g) == "<Greenlet at %#x: <built-in function print>>" % id(g)
    assert g.name == "Greenlet-%d" % g.minimal_ident
    assert ('"%s"' % g.name) in repr(g)
    g.name = "foo"
    assert repr(g) == '<Greenlet "foo" at %#x: <built-in function print>>' % id(g)
    h = Greenlet(print, 1, "x", sep="-")
    assert repr(h).endswith(": <built-in function print>(1, 'x', sep='-')>")
    assert h.minimal_ident != g.minimal_ident


class Shown:
    def method(self):
        pass

    def __repr__(self):
        return "Shown()"


def fails():
    raise ValueError


@pytest.mark.parametrize(
    "call, text",
    [
        ((print,), "<built-in function print>"),
        ((fails,), "fails"),
        ((lambda: 3,), "<lambda>"),
        ((Shown().method,), "<bound method Shown.method of Shown()>"),
        (([].append, 1), "<built-in method append of list object at "),
        ((len, "ab"), "<built-in function len>('ab')"),
        ((len, [1] * 100), f"<built-in function len>({str([1] * 100)[:50]})"),
        ((Shown,), "Shown"),
        ((), "_run"),
    ],
)
def test_what_it_runs_as_text(call, text, capsys):
    """It is told of after the end, too, if somebody has looked before."""
    g = Greenlet(*call)
    before = str(g)
    assert before.startswith(f"<Greenlet at {id(g):#x}: {text}")
    g.start()
    g.join()
    assert str(g) == before


def test_text_of_one_that_ends():
    untold = grove.spawn(len, "ab")
    untold.join()
    assert str(untold).endswith(": _run>")
    killed = grove.spawn(len, "ab")
    assert str(killed).endswith(": <built-in function len>('ab')>")
    killed.kill()
    assert str(killed).endswith(": <built-in function len>('ab')>")


def test_text_of_one_that_failed_is_that_of_its_report(capsys):
    g = grove.spawn(fails)
    g.join()
    assert str(g).endswith(": fails>") and str(g) in capsys.readouterr().err


def test_text_of_arguments_that_have_none():
    class Mute:
        def __repr__(self):
            raise ValueError

    g = Greenlet(print, Mute(), 2, a=Mute(), b=3)
    assert str(g).endswith(": <built-in function print>(2, b=3)>")


def test_a_number_gives_a_name():
    g = Greenlet(print)
    assert f'"Greenlet-{g.minimal_ident}"' in str(g)
    g.name = 5
    assert '<Greenlet "5" at ' in str(g)


def test_minimal_idents_are_used_again():
    gs = [Greenlet() for _ in range(50)]
    idents = [g.minimal_ident for g in gs]
    assert len(set(idents)) == 50
    del gs[10:40]
    again = sorted(Greenlet().minimal_ident for _ in range(3))
    assert again[0] == min(idents[10:40])


def test_spawn_tree():
    main = grove.getcurrent()
    seen = []

    def grandchild():
        me = grove.getcurrent()
        me.spawn_tree_locals["seen"] = True
        seen.append(me.spawning_greenlet())

    def child():
        grove.spawn(grandchild).join()
        grove.spawn_raw(grandchild)
        grove.sleep(0)

    a, b = grove.spawn(child), grove.spawn(child)
    assert a.spawning_greenlet() is main
    grove.joinall([a, b])
    assert seen == [a, b, a, b]
    assert a.spawn_tree_locals == b.spawn_tree_locals == {"seen": True}
    assert a.spawn_tree_locals is not b.spawn_tree_locals


def test_spawn_callbacks():
    seen = []
    Greenlet.add_spawn_callback(seen.append)
    try:
        Greenlet()
        assert not seen
        g = grove.spawn(print)
        assert seen == [g]
    finally:
        Greenlet.remove_spawn_callback(seen.append)
    grove.spawn(print, end="").join()
    assert len(seen) == 1


def test_with_statement():
    with grove.spawn(lambda: 4) as g:
        pass
    assert g.value == 4
    hub = grove.get_hub()
    hub.handle_error = lambda *args: None
    with pytest.raises(KeyError), grove.spawn(grove.sleep, 10) as g:
        grove.sleep(0)
        raise KeyError
    del hub.handle_error
    assert g.ready() and isinstance(g.exception, KeyError)


def test_parked_one_has_a_frame():
    def parked():
        grove.sleep(10)

    g = grove.spawn(parked)
    grove.sleep(0)
    assert g.gr_frame.f_code.co_name == "parked"
    g.kill()
    assert g.gr_frame is None


def test_weak_references():
    g = Greenlet(print)
    ref = weakref.ref(g)
    assert ref() is g
    del g
    assert ref() is None


def test_cycles_are_collected():
    class Marked(Greenlet):
        pass

    def make():
        g = Marked(lambda: None)
        g.me = g
        h = Marked.spawn(lambda: h)
        return weakref.ref(g), weakref.ref(h)

    refs = [make() for _ in range(10)]
    grove.sleep(0)
    gc.collect()
    assert [r() for pair in refs for r in pair] == [None] * 20


def test_a_failure_does_not_keep_the_greenlet():
    class Token:
        pass

    def bad(token):
        raise ValueError

    hub = grove.get_hub()
    hub.handle_error = lambda *args: None
    token = Token()
    ref = weakref.ref(token)
    g = grove.spawn(bad, token)
    g.join()
    del token, g
    del hub.handle_error
    gc.collect()
    assert ref() is None


def test_reference_counts_stay_flat():
    def f(x):
        grove.sleep(0)
        return x

    def bad(x):
        raise grove.GreenletExit(x)

    def once():
        token = object()
        gs = [grove.spawn(f, token) for _ in range(20)]
        gs += [grove.spawn(bad, token) for _ in range(20)]
        late = [grove.spawn_later(10, f, token) for _ in range(5)]
        grove.joinall(gs)
        gs[0].link(lambda g: None)
        gs[0].rawlink(lambda g: None)
        grove.killall(late)
        with grove.iwait(gs) as it:
            next(it)
        with grove.Timeout(1):
            grove.sleep(0)
        for g in gs:
            g.get()

    def count():
        gc.collect()
        return len(gc.get_objects()), sys.getrefcount(None)

    for _ in range(3):
        once()
    before = count()
    for _ in range(30):
        once()
    after = count()
    assert after[0] - before[0] < 20
    assert abs(after[1] - before[1]) < 50


def test_many():
    n = 20_000
    total = [0]

    def f(i):
        total[0] += i

    gs = [grove.spawn(f, i) for i in range(n)]
    assert len(grove.joinall(gs)) == n
    assert total[0] == n * (n - 1) // 2


def test_uncaught_exception_report():
    code = """if True:
        import grove
        def boom():
            raise ValueError("x")
        g = grove.spawn(boom)
        g.join()
        print(type(g.exception).__name__)
        """
    p = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert p.returncode == 0 and p.stdout == "ValueError\n"
    lines = p.stderr.split("\n")
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-4] == "ValueError: x"
    assert lines[-3].endswith(": boom> failed with ValueError")
    assert lines[-2:] == ["", ""]
