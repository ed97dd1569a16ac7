"""The raw greenlet: throw(), and exceptions that cross switches."""

import sys

import pytest
from grove._greenlet import GreenletExit, getcurrent, greenlet


def suspended(run=lambda: getcurrent().parent.switch()):
    g = greenlet(run)
    g.switch()
    return g


def test_an_exception_goes_to_the_parent():
    with pytest.raises(ZeroDivisionError):
        greenlet(lambda: 1 / 0).switch()


def test_an_exception_goes_up_through_parents():
    def outer():
        with pytest.raises(KeyError):
            greenlet(inner).switch()
        raise ValueError("outer")

    def inner():
        raise KeyError("inner")

    with pytest.raises(ValueError, match="outer"):
        greenlet(outer).switch()


def test_throw_is_raised_where_the_greenlet_waits():
    def run():
        try:
            getcurrent().parent.switch()
        except ValueError as e:
            return str(e)

    assert suspended(run).throw(ValueError("thrown")) == "thrown"


@pytest.mark.parametrize(
    "arguments, args",
    [
        ((ValueError,), ()),
        ((ValueError, "text"), ("text",)),
        ((ValueError, (1, 2)), (1, 2)),
        ((ValueError, ValueError(3)), (3,)),
        ((ValueError, None, None), ()),
        ((ValueError(4),), (4,)),
        ((ValueError(4), None, None), (4,)),
    ],
)
def test_what_throw_makes_of_its_arguments(arguments, args):
    with pytest.raises(ValueError) as caught:
        suspended().throw(*arguments)
    assert caught.value.args == args


def test_throw_without_arguments_is_greenlet_exit():
    g = suspended()
    assert isinstance(g.throw(), GreenletExit)
    assert g.dead


def test_greenlet_exit_that_ends_a_greenlet_is_its_result():
    class Mine(GreenletExit):
        pass

    def run():
        raise Mine("reason")

    result = greenlet(run).switch()
    assert type(result) is Mine and result.args == ("reason",)


def test_throw_into_an_unstarted_one_kills_it():
    g = greenlet(lambda: pytest.fail("it ran"))
    with pytest.raises(KeyError):
        g.throw(KeyError, "k")
    assert g.dead


def test_throw_needs_a_run():
    g = greenlet()
    with pytest.raises(AttributeError, match="run"):
        g.throw(KeyError)
    assert not g.dead


def test_greenlet_exit_into_unstarted_and_dead_ones_is_a_value():
    g = greenlet(lambda: None)
    exit = GreenletExit("x")
    assert g.throw(exit) is exit and g.dead
    assert g.throw(exit) is exit
    assert isinstance(g.throw(), GreenletExit)


def test_throw_into_a_dead_one_raises_in_its_parent():
    g = greenlet(lambda: None)
    g.switch()
    with pytest.raises(KeyError):
        g.throw(KeyError)


def test_throw_into_oneself():
    with pytest.raises(KeyError):
        getcurrent().throw(KeyError)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((1,), "exceptions must be classes, or instances, not int"),
        ((None,), "exceptions must be classes, or instances, not NoneType"),
        ((ValueError(), 2), "instance exception may not have a separate value"),
        ((ValueError, 1, 2), r"throw\(\) third argument must be a traceback object"),
    ],
)
def test_what_throw_refuses(arguments, message):
    g = suspended()
    with pytest.raises(TypeError, match=message):
        g.throw(*arguments)
    assert not g.dead
    g.switch()


def test_throw_refuses_more_than_three_arguments():
    with pytest.raises(TypeError):
        greenlet(lambda: None).throw(ValueError, 1, None, 4)


def test_throw_keeps_the_traceback():
    def fail():
        raise ValueError("first")

    try:
        fail()
    except ValueError:
        info = sys.exc_info()
    with pytest.raises(ValueError) as caught:
        suspended().throw(*info)
    assert "fail" in [entry.name for entry in caught.traceback]
    with pytest.raises(ValueError) as caught:
        suspended().throw(info[1])
    assert "fail" in [entry.name for entry in caught.traceback]
    del info, caught


def test_the_traceback_goes_through_the_greenlet():
    def inner():
        raise ValueError

    with pytest.raises(ValueError) as caught:
        greenlet(inner).switch()
    assert caught.traceback[-1].name == "inner"


def test_exceptions_being_handled_are_each_greenlets_own():
    def run():
        assert sys.exc_info() == (None, None, None)
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


def test_the_context_of_an_exception_is_its_greenlets():
    def run():
        try:
            raise KeyError
        except KeyError:
            main.switch()
            raise IndexError

    main = getcurrent()
    g = greenlet(run)
    try:
        raise ValueError
    except ValueError:
        g.switch()
    with pytest.raises(IndexError) as caught:
        g.switch()
    assert type(caught.value.__context__) is KeyError
    assert caught.value.__context__.__context__ is None


def test_a_bare_raise_after_switches():
    def run(error):
        with pytest.raises(error):
            try:
                raise error
            except error:
                main.switch()
                raise
        return error

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3)]
    errors = [KeyError, ValueError, OSError]
    for g, error in zip(gs, errors):
        g.switch(error)
    assert [g.switch() for g in gs] == errors
