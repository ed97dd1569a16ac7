"""The raw greenlet as an object: its attributes, its class, its module."""

import contextvars
import copy
import os
import pickle
import subprocess
import sys
import weakref
from abc import ABCMeta, abstractmethod

import grove._greenlet
import pytest
from grove._greenlet import (
    GreenletExit,
    _greenlet,
    error,
    getcurrent,
    gettrace,
    greenlet,
    settrace,
)
from stacks import SMALLEST


def suspended():
    g = greenlet(lambda: getcurrent().parent.switch())
    g.switch()
    return g


# ---- run -------------------------------------------------------------------


def test_run_until_the_start():
    g = greenlet(print)
    assert g.run is print
    g.run = echo = lambda value: value
    assert g.run is echo
    assert g.switch(1) == 1
    with pytest.raises(AttributeError, match="run"):
        g.run


def test_run_of_a_suspended_and_of_a_dead_one():
    g = suspended()
    for _ in range(2):
        with pytest.raises(AttributeError, match="^run$"):
            g.run
        with pytest.raises(AttributeError, match="after the start of the greenlet"):
            g.run = print
        with pytest.raises(AttributeError, match="after the start of the greenlet"):
            del g.run
        g.switch()


def test_run_of_a_subclass():
    class Mine(greenlet):
        def run(self, value):
            return self, value

    g = Mine()
    assert g.switch(1) == (g, 1)
    # Once started the class's is found again, as it is no data of the object.
    assert Mine.run is not None


# ---- state -----------------------------------------------------------------


def test_dead_and_truth_and_repr():
    g = greenlet(lambda: getcurrent().parent.switch())
    start = f"<greenlet.greenlet object at {id(g):#x} (otid=0x"
    assert repr(g).startswith(start)
    assert not g and not g.dead and repr(g).endswith(" pending>")
    g.switch()
    assert g and not g.dead and repr(g).endswith(" suspended active started>")
    g.switch()
    assert not g and g.dead and repr(g).endswith(") dead>")
    assert repr(g).startswith(start)
    assert repr(getcurrent()).endswith(" current active started main>")


def test_repr_of_the_running_one_and_of_a_subclass():
    class Mine(greenlet):
        pass

    g = Mine(lambda: repr(getcurrent()))
    assert "Mine object at" in repr(g)
    assert g.switch().endswith(" current active started>")


@pytest.mark.parametrize("attribute", ["dead", "gr_frame", "_stack_saved"])
def test_read_only_attributes(attribute):
    g = greenlet(lambda: None)
    with pytest.raises(AttributeError):
        setattr(g, attribute, 1)
    with pytest.raises(AttributeError):
        delattr(g, attribute)


def test_stack_saved():
    g = greenlet(lambda: getcurrent().parent.switch(getcurrent()._stack_saved))
    assert g._stack_saved == 0
    assert g.switch() == 0
    assert g._stack_saved > 0
    g.switch()
    assert g._stack_saved == 0
    assert getcurrent()._stack_saved == 0


def test_gr_frame_is_the_suspended_one():
    def inner():
        main.switch(getcurrent().gr_frame)

    def run():
        inner()

    main = getcurrent()
    g = greenlet(run)
    assert g.gr_frame is None
    assert g.switch() is None  # of the running one
    assert g.gr_frame.f_code is inner.__code__
    assert g.gr_frame.f_back.f_code is run.__code__
    assert g.gr_frame.f_back.f_back is None
    assert g.gr_frame is g.gr_frame
    assert g.gr_frame.f_locals["main"] is main
    g.switch()
    assert g.gr_frame is None and main.gr_frame is None


def test_gr_frame_can_be_kept():
    def run(value):
        main.switch()
        return value

    main = getcurrent()
    g = greenlet(run)
    g.switch("value")
    frame = g.gr_frame
    g.switch()
    assert g.dead and frame.f_locals["value"] == "value"


def test_gr_context():
    var = contextvars.ContextVar("var", default="none")

    def run():
        first = var.get()
        var.set("inner")
        main.switch()
        return first, var.get()

    main = getcurrent()
    g = greenlet(run)
    assert g.gr_context is None  # it starts with an empty one
    contextvars.copy_context().run(lambda: (var.set("outer"), g.switch()))
    assert g.gr_context[var] == "inner"
    assert g.switch() == ("none", "inner")


def test_gr_context_can_be_set():
    var = contextvars.ContextVar("var", default="none")
    context = contextvars.copy_context()
    context.run(var.set, "given")
    g = greenlet(lambda: (var.get(), getcurrent().parent.switch(), var.get()))
    g.gr_context = context
    assert g.gr_context is context
    g.switch()
    g.gr_context = None
    assert g.switch() == ("given", (), "none")
    assert g.gr_context is None


def test_gr_context_of_the_current_one():
    def run():
        assert getcurrent().gr_context is None
        var.set(1)
        mine = getcurrent().gr_context
        getcurrent().gr_context = None
        seen.append(var.get())
        getcurrent().gr_context = mine
        seen.append(var.get())

    var, seen = contextvars.ContextVar("var", default=0), []
    greenlet(run).switch()
    assert seen == [0, 1]


def test_what_gr_context_refuses():
    g = greenlet(lambda: None)
    for wrong in (1, "context", {}):
        with pytest.raises(TypeError, match="contextvars.Context or None"):
            g.gr_context = wrong
    with pytest.raises(AttributeError):
        del g.gr_context


# ---- object and class ------------------------------------------------------


def test_it_cannot_be_copied_or_pickled():
    for g in (greenlet(lambda: None), suspended(), getcurrent()):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot serialize"):
                attempt(g)


def test_attributes_and_dict():
    g = greenlet(lambda: None)
    assert g.__dict__ == {}
    g.name = "x"
    assert g.__dict__ == {"name": "x"}
    g.__dict__ = {"other": 1}
    assert g.other == 1 and not hasattr(g, "name")
    with pytest.raises(TypeError):
        del g.__dict__
    with pytest.raises(TypeError):
        g.__dict__ = 3


def test_weak_references():
    called = []
    g = greenlet(lambda: None)
    ref = weakref.ref(g, called.append)
    assert ref() is g
    del g
    assert ref() is None and called == [ref]


def test_a_subclass_may_skip_init():
    class Mine(greenlet):
        def __init__(self, value):
            self.value = value

        def run(self):
            return self.value

    g = Mine(5)
    assert g.parent is getcurrent() and g.switch() == 5


def test_subclasses_with_slots_and_a_metaclass():
    class Slotted(greenlet):
        __slots__ = ("a",)

    class Abstract(greenlet, metaclass=ABCMeta):
        @abstractmethod
        def run(self):
            pass

    class Concrete(Abstract):
        def run(self):
            return "ran"

    g = Slotted(lambda: None)
    g.a = 1
    assert g.a == 1
    with pytest.raises(TypeError, match="abstract"):
        Abstract()
    assert Concrete().switch() == "ran"


def test_what_the_constructor_refuses():
    for arguments in ((1, None, 3), (1, 2)):
        with pytest.raises(TypeError):
            greenlet(*arguments)
    with pytest.raises(TypeError):
        greenlet(target=print)


def test_initialising_again():
    g = greenlet(lambda: 1)
    g.__init__(lambda: 2)
    assert g.switch() == 2
    with pytest.raises(AttributeError, match="after the start"):
        g.__init__(lambda: 3)


def test_the_instance_has_greenlets_size():
    assert greenlet.__basicsize__ == 40
    assert greenlet.__weakrefoffset__ == 16 and greenlet.__dictoffset__ == 24


# ---- names -----------------------------------------------------------------


def test_names_of_the_class():
    assert greenlet.getcurrent() is getcurrent()
    assert greenlet.error is error and greenlet.GreenletExit is GreenletExit
    assert greenlet.gettrace() is gettrace() is None
    assert greenlet.settrace(None) is None
    assert greenlet.__name__ == "greenlet" and greenlet.__module__ == "greenlet"


def test_the_exceptions():
    assert error.__mro__[1] is Exception
    assert GreenletExit.__mro__[1] is BaseException
    assert not issubclass(GreenletExit, Exception)


def test_names_of_the_module():
    module = grove._greenlet
    assert set(module.__all__) <= set(dir(module))
    assert module.GREENLET_USE_GC and module.GREENLET_USE_TRACING
    assert module.GREENLET_USE_CONTEXT_VARS
    assert type(module._C_API).__name__ == "PyCapsule"
    assert tuple(map(int, module.__version__.split("."))) >= (3, 5)
    assert module.CLOCKS_PER_SEC == 1_000_000


def test_names_of_the_inner_module():
    assert _greenlet.greenlet is greenlet
    assert _greenlet._C_API is grove._greenlet._C_API
    assert _greenlet.GREENLET_USE_STANDARD_THREADING
    assert _greenlet.get_pending_cleanup_count() == 0
    assert _greenlet.get_total_main_greenlets() >= 1
    if sys.version_info < (3, 13):
        assert _greenlet.get_tstate_trash_delete_nesting() == 0
    else:
        assert not hasattr(_greenlet, "get_tstate_trash_delete_nesting")


def test_optional_cleanup_can_be_turned_off():
    module = grove._greenlet
    assert module.get_clocks_used_doing_optional_cleanup() >= 0
    module.enable_optional_cleanup(False)
    try:
        assert module.get_clocks_used_doing_optional_cleanup() is None
    finally:
        module.enable_optional_cleanup(True)
    assert module.get_clocks_used_doing_optional_cleanup() >= 0


def stack_size_with(setting: str) -> tuple[int, str]:
    """The size in a new process with GROVE_STACK_SIZE, and what it complained of."""
    result = subprocess.run(
        [sys.executable, "-c", "import grove; print(grove.stack_size())"],
        env={**os.environ, "GROVE_STACK_SIZE": setting},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return int(result.stdout), result.stderr


def test_stack_size_of_the_environment():
    for setting, size in {"2MB": 2 << 20, "2mib": 2 << 20, "512k": 1 << 19}.items():
        assert stack_size_with(setting) == (size, "")


def test_a_bad_stack_size_of_the_environment_keeps_the_default():
    for setting in "2XB", "32K", "65M", "-1", "":
        size, complaint = stack_size_with(setting)
        assert size == 1 << 20
        assert complaint.count("\n") == 1
        assert f'GROVE_STACK_SIZE is "{setting}"; expected ' in complaint


def test_stack_size():
    from grove import stack_size

    for wrong in (0, -1, SMALLEST - 1, 1 << 40):
        with pytest.raises(ValueError, match=str(wrong)):
            stack_size(wrong)
    for wrong in ("big", 1.5):
        with pytest.raises((TypeError, ValueError)):
            stack_size(wrong)
    before = stack_size(SMALLEST + 1)
    try:
        assert stack_size() == 2 * SMALLEST  # rounded up
    finally:
        assert stack_size(before) == 2 * SMALLEST


class Witness:
    dead = 0

    def __del__(self):
        Witness.dead += 1


@pytest.fixture
def small_stacks():
    from grove import stack_size

    before = stack_size(SMALLEST)
    Witness.dead = 0
    yield
    stack_size(before)


def test_what_dies_on_a_small_stack_is_let_go_of(small_stacks):
    def run():
        for _ in range(100):
            [Witness()]

    greenlet(run).switch()
    assert Witness.dead == 100


def test_what_dies_on_a_small_stack_that_stays(small_stacks):
    def run():
        for _ in range(100):
            [Witness()]
        main.switch()

    main = getcurrent()
    g = greenlet(run)
    g.switch()
    []  # here is room
    assert Witness.dead == 100
    g.switch()


def test_what_dies_on_small_stacks_while_the_hub_runs(small_stacks):
    import grove

    def run():
        for _ in range(100):
            [Witness()]
        while Witness.dead == 0:
            grove.sleep(0.01)  # one that is past due already does not wait
        return Witness.dead

    assert grove.spawn(run).get(timeout=60) == 100


@pytest.mark.parametrize("whom", ["main", "another", "itself"])
def test_a_run_that_is_let_go_of_at_the_start_may_switch(whom):
    """A class may answer for `run` itself: what the constructor was given is then
    dropped as the greenlet begins, and its end may go anywhere."""
    main, order = getcurrent(), []

    class Run:
        def __del__(self):
            order.append(("deleted", getcurrent() is main))
            order.append(("back", targets[whom].switch("from deleted")))

    class Answers(greenlet):
        def __getattribute__(self, name):
            return run if name == "run" else super().__getattribute__(name)

    def run(value):
        order.append(("begun", value))
        order.append(("again", main.switch("begun")))
        return "ended"

    g = Answers(Run())
    another = greenlet(lambda value: order.append(("another", value)))
    targets = {"main": main, "another": another, "itself": g}
    gone_to = {
        "main": [("back", "from deleted"), ("begun", "first")],
        "another": [("another", "from deleted"), ("back", None), ("begun", "first")],
        "itself": [("begun", "from deleted"), ("back", "begun"), ("again", "first")],
    }
    assert g.switch("first") == ("ended" if whom == "itself" else "begun")
    assert order == [("deleted", True), *gone_to[whom]]
    if whom != "itself":
        assert g.switch("second") == "ended"
    assert g.dead
