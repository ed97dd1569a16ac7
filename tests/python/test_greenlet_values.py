"""The raw greenlet: what goes through switch(), and what switch() refuses.

Here and in the other test_greenlet_*.py, what is expected is the documented
behaviour of greenlet 3.5.
"""

import pytest
from grove._greenlet import getcurrent, greenlet, settrace


def echo():
    """Pass on what comes, until the end of days."""
    value = None
    while True:
        value = getcurrent().parent.switch(value)


def test_run_gets_the_arguments_of_the_first_switch():
    def run(*args, **kwargs):
        return args, kwargs

    assert greenlet(run).switch(1, 2, a=3) == ((1, 2), {"a": 3})
    assert greenlet(run).switch() == ((), {})


@pytest.mark.parametrize(
    "args, kwargs, received",
    [
        ((), {}, ()),
        ((1,), {}, 1),
        ((None,), {}, None),
        (((1,),), {}, (1,)),
        (((),), {}, ()),
        ((1, 2), {}, (1, 2)),
        ((), {"a": 1}, {"a": 1}),
        ((1,), {"a": 1}, ((1,), {"a": 1})),
        ((1, 2), {"a": 1}, ((1, 2), {"a": 1})),
    ],
)
def test_what_a_suspended_switch_returns(args, kwargs, received):
    g = greenlet(echo)
    g.switch()
    result = g.switch(*args, **kwargs)
    assert result == received and type(result) is type(received)


def test_one_argument_is_passed_as_the_object_it_is():
    g, thing = greenlet(echo), (object(),)
    g.switch()
    assert g.switch(thing) is thing


def test_the_result_goes_to_the_parent_unchanged():
    for result in ((1,), (), None, (1, 2), {"a": 1}):
        assert greenlet(lambda: result).switch() is result


def test_switch_to_oneself_returns_the_arguments():
    here = getcurrent()
    assert here.switch() == ()
    assert here.switch(5) == 5
    assert here.switch(5, 6) == (5, 6)
    assert here.switch(5, a=6) == ((5,), {"a": 6})
    assert here.switch(a=6) == {"a": 6}


def test_switch_to_oneself_is_no_event():
    events = []
    previous = settrace(lambda *event: events.append(event))
    try:
        getcurrent().switch(5)
    finally:
        settrace(previous)
    assert events == []


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
    b.clear()
    a.clear()


def test_hundreds_are_suspended_at_once():
    def run(n):
        return n + main.switch(n)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(500)]
    assert [g.switch(i) for i, g in enumerate(gs)] == list(range(500))
    assert [g.switch(1) for g in gs] == list(range(1, 501))


def test_without_run_the_caller_gets_attribute_error():
    g = greenlet()
    with pytest.raises(AttributeError, match="run"):
        g.switch()
    assert not g.dead  # it may be given one
    g.run = lambda: 3
    assert g.switch() == 3


@pytest.mark.parametrize("run", [3, None, "run"])
def test_run_that_is_not_callable(run):
    g = greenlet(run)
    with pytest.raises(TypeError, match="not callable"):
        g.switch()
    assert g.dead  # the error was raised in it


def test_the_parent_gets_the_error_of_a_run_that_is_not_callable():
    def parent():
        try:
            greenlet(3).switch()
        except TypeError as error:
            return str(error)

    assert "not callable" in greenlet(parent).switch()


def test_looking_up_run_may_switch_away():
    class Mine(greenlet):
        @property
        def run(self):
            seen.append(greenlet(lambda: "other").switch())
            return lambda *args: args

    seen = []
    assert Mine().switch(1, 2) == (1, 2)
    assert seen == ["other"]


def test_looking_up_run_may_start_the_greenlet():
    class Mine(greenlet):
        looked_up = False

        def __getattribute__(self, name):
            if name == "run" and not self.looked_up:
                self.looked_up = True
                assert self.switch("first") == "waits"
            return greenlet.__getattribute__(self, name)

        def run(self, *args):
            got.append(args)
            got.append(self.parent.switch("waits"))
            return "ended"

    got = []
    # The outer switch has become an ordinary one, with its own arguments.
    assert Mine().switch("second") == "ended"
    assert got == [("first",), "second"]


def test_looking_up_run_may_reparent():
    class Mine(greenlet):
        @property
        def run(self):
            self.parent = other
            return lambda: "mine"

    other = greenlet(lambda value: ("other got", value))
    assert Mine().switch() == ("other got", "mine")


def test_arguments_outlive_the_end_of_the_one_left():
    """What is passed is not lost when the greenlet that passed it dies of the
    switch itself."""

    def passer():
        middle = greenlet(lambda: getcurrent().parent.parent.switch(["value"]))
        middle.switch()

    g = greenlet(passer)
    assert g.switch() == ["value"]
    g.throw()
