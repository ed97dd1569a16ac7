"""local.local: attributes of the current greenlet's own."""

import copy
import gc
import threading
import weakref

import grove
import pytest
from grove._core import greenlet
from grove.local import all_local_dicts_for_greenlet, local


class Value:
    """Something that can be referred to weakly."""


class Counted(local):
    """Counts the calls of __init__, in an attribute that all share."""

    __slots__ = ("shared",)
    calls: list = []

    def __init__(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        self.args = args

    @property
    def first(self):
        return self.args[0]


@pytest.fixture(autouse=True)
def forget_calls():
    Counted.calls.clear()


def test_attributes_are_the_greenlets_own():
    values = local()
    values.x = "main"

    def other():
        assert not hasattr(values, "x")
        values.x = "other"
        grove.sleep(0)
        return values.x

    assert [g.value for g in grove.joinall([grove.spawn(other) for _ in range(9)])] == [
        "other"
    ] * 9
    assert values.x == "main" and vars(values) == {"x": "main"}
    del values.x
    with pytest.raises(AttributeError, match="x"):
        values.x
    with pytest.raises(AttributeError):
        del values.x


def test_raw_greenlets_have_their_own():
    values = local()
    values.x = 1
    seen = []
    g = greenlet(lambda: (seen.append(vars(values).copy()), setattr(values, "x", 2)))
    g.switch()
    assert seen == [{}] and values.x == 1


def test_init_is_called_in_each_greenlet():
    values = Counted(1, 2, key=3)
    assert Counted.calls == [((1, 2), {"key": 3})] and values.first == 1
    values.args = (5,)
    assert grove.spawn(lambda: values.first).get() == 1
    assert Counted.calls == [((1, 2), {"key": 3})] * 2
    assert values.first == 5


def test_slots_are_common():
    values = Counted()
    values.shared = "common"
    assert grove.spawn(lambda: values.shared).get() == "common"
    assert "shared" not in vars(values)


def test_arguments_need_an_init():
    with pytest.raises(TypeError, match="Initialization arguments are not supported"):
        local(1)
    with pytest.raises(TypeError, match="Initialization arguments"):
        local(x=1)


def test_an_init_that_fails_is_tried_again():
    class Fails(local):
        fail = False

        def __init__(self):
            self.x = 1
            if Fails.fail:
                raise KeyError("not yet")

    values = Fails()

    def other():
        Fails.fail = True
        with pytest.raises(KeyError):
            values.x
        Fails.fail = False
        return values.x

    assert grove.spawn(other).get() == 1


def test_dict_cannot_be_replaced():
    values = local()
    for name in ("__dict__", "".join(["__di", "ct__"])):
        with pytest.raises(AttributeError, match="'__dict__' is read-only"):
            setattr(values, name, {})
        with pytest.raises(AttributeError, match="'__dict__' is read-only"):
            delattr(values, name)
        assert getattr(values, name) == {}
    values.__dict__["y"] = 2
    assert values.y == 2 and "y" in dir(values)


def test_class_attributes_and_getattr():
    class WithDefault(local):
        kind = "class"

        def __getattr__(self, name):
            return f"no {name}"

    values = WithDefault()
    assert values.kind == "class" and values.missing == "no missing"
    values.kind = "mine"
    assert grove.spawn(lambda: values.kind).get() == "class"
    assert values.kind == "mine"


def test_values_go_with_the_greenlet():
    values, gone = local(), []

    def use():
        values.x = Value()
        gone.append(weakref.ref(values.x))
        grove.sleep(0)

    greenlets = [grove.spawn(use), grove.spawn_raw(use)]
    grove.sleep(0)
    assert len(gone) == 2 and all(ref() is not None for ref in gone)
    grove.sleep(0)
    # They have ended, and are referred to still.
    assert len(greenlets) == 2 and all(ref() is None for ref in gone)


def test_values_go_with_a_killed_greenlet():
    values, gone = local(), []

    def use():
        values.x = Value()
        gone.append(weakref.ref(values.x))
        grove.sleep(10)

    g = grove.spawn(use)
    grove.sleep(0)
    g.kill()
    assert gone[0]() is None


def test_values_go_with_the_local():
    values = local()
    values.x = Value()
    gone = weakref.ref(values.x)
    parked = greenlet(lambda: (setattr(values, "y", 1), greenlet.getcurrent().parent.switch()))
    parked.switch()
    itself = weakref.ref(values)
    del values
    parked.switch()
    del parked
    assert itself() is None and gone() is None


def test_a_value_that_refers_to_its_local_is_collected():
    values = local()
    values.itself = values
    gone = weakref.ref(values)
    del values
    assert gone() is not None
    gc.collect()
    assert gone() is None


def test_values_go_with_a_thread():
    values, gone = local(), []

    def use():
        assert not hasattr(values, "x")
        values.x = Value()
        gone.append(weakref.ref(values.x))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert gone[0]() is None


def test_a_destructor_may_use_the_local():
    values, seen = local(), []

    class Last:
        def __del__(self):
            seen.append(getattr(values, "other", None))
            values.again = Value()
            seen.append(weakref.ref(values.again))

    def use():
        values.last = Last()

    grove.spawn(use).join()
    assert seen[0] is None and seen[1]() is None


def test_many_greenlets_and_many_locals():
    count = 2_000
    values = local()

    def use(i):
        values.i = i
        grove.sleep(0)
        return values.i

    assert [
        g.value for g in grove.joinall([grove.spawn(use, i) for i in range(count)])
    ] == list(range(count))

    def use_many():
        many = [local() for _ in range(20_000)]
        for i, one in enumerate(many):
            one.i = i
        return sum(one.i for one in many)

    assert grove.spawn(use_many).get() == sum(range(20_000))


def test_copy():
    values = Counted(7)
    values.x = [1]
    other = copy.copy(values)
    assert type(other) is Counted and vars(other) == vars(values)
    assert other.x is values.x
    other.x = 2
    assert values.x == [1]
    # In another greenlet it is as new.
    assert grove.spawn(lambda: vars(other)).get() == {"args": (7,)}


def test_all_local_dicts_for_greenlet():
    one, two = local(), Counted("a")

    def use():
        one.x = 1
        two.args
        grove.sleep(0)

    g = grove.spawn(use)
    assert all_local_dicts_for_greenlet(g) == []
    grove.sleep(0)
    found = dict(all_local_dicts_for_greenlet(g))
    assert found == {(local, id(one)): {"x": 1}, (Counted, id(two)): {"args": ("a",)}}
    g.join()
    assert all_local_dicts_for_greenlet(g) == []
    with pytest.raises(TypeError, match="a greenlet was expected, not 1"):
        all_local_dicts_for_greenlet(1)


def test_threading_local_is_not_the_same():
    assert not issubclass(local, threading.local)
    assert local.__module__ == "grove.local"
