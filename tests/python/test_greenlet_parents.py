"""The raw greenlet: parents, dead greenlets, and who gets a result."""

import pytest
from grove._greenlet import GreenletExit, getcurrent, greenlet


def test_the_parent_is_who_made_it():
    def outer():
        return greenlet(lambda: None)

    made = greenlet(outer)
    assert made.parent is getcurrent()
    assert made.switch().parent is made


def test_the_constructors_parent():
    a = greenlet(lambda value: ("a", value))
    assert greenlet(lambda: 1, a).parent is a
    assert greenlet(run=lambda: 1, parent=a).switch() == ("a", 1)
    assert greenlet(lambda: None, None).parent is getcurrent()


def test_a_new_parent_gets_the_result():
    def gets(*args):
        return "gets", getcurrent().parent.switch(), args

    a = greenlet(gets)
    a.switch()
    g = greenlet(lambda: "result")
    g.parent = a
    assert g.switch() == ("gets", "result", ())


def test_an_unstarted_parent_is_started_with_the_result():
    a = greenlet(lambda *args: ("a", args))
    assert greenlet(lambda: "result", a).switch() == ("a", ("result",))


def test_an_unstarted_parent_gets_an_exception_by_dying_of_it():
    a = greenlet(lambda: pytest.fail("it ran"))
    with pytest.raises(KeyError):
        greenlet({}.__getitem__, a).switch("key")
    assert a.dead


def test_a_parent_that_cannot_be_started_passes_its_error_up():
    a = greenlet()  # has no run
    with pytest.raises(AttributeError, match="run"):
        greenlet(lambda: "lost", a).switch()


def test_a_parent_whose_run_starts_it_when_looked_up_gets_the_result():
    class Parent(greenlet):
        looked_up = False

        def __getattribute__(self, name):
            if name == "run" and not self.looked_up:
                self.looked_up = True
                self.switch()
            return greenlet.__getattribute__(self, name)

        def run(self):
            # Its first switch is the finishing greenlet's own doing.
            return "parent got", child.switch()

    child = greenlet(lambda: "result", Parent())
    assert child.switch() == ("parent got", "result")


def test_finishing_into_a_dead_parent():
    a = greenlet(lambda: None)
    g = greenlet(lambda: "result", a)
    a.switch()
    assert a.dead and g.switch() == "result"


def test_finishing_into_dead_parents_up_to_a_waiting_one():
    def grandparent():
        return "got", getcurrent().parent.switch()

    top = greenlet(grandparent)
    top.switch()
    middle = greenlet(lambda: None, top)
    g = greenlet(lambda: "result", middle)
    middle.throw(GreenletExit)  # goes to top as a value, which ends
    assert middle.dead and top.dead
    assert g.switch() == "result"


def test_switch_to_a_dead_one_goes_to_its_parent():
    g = greenlet(lambda: None)
    g.switch()
    assert g.switch(7) == 7
    assert g.switch(7, a=8) == ((7,), {"a": 8})
    a = greenlet(lambda *args: ("a", args))
    g.parent = a
    assert g.switch(1, 2) == ("a", (1, 2))  # which was unstarted


@pytest.mark.parametrize("parent", [3, None, "parent"])
def test_a_parent_that_is_no_greenlet(parent):
    g = greenlet(lambda: None)
    with pytest.raises(TypeError, match=type(parent).__name__):
        g.parent = parent
    if parent is not None:
        with pytest.raises(TypeError):
            greenlet(lambda: None, parent)
    assert g.parent is getcurrent()


def test_cycles_of_parents_are_refused():
    a = greenlet(lambda: None)
    b = greenlet(lambda: None, a)
    for parent in (a, b):
        with pytest.raises(ValueError, match="cyclic parent chain"):
            a.parent = parent
    assert a.parent is getcurrent()


def test_a_parent_cannot_be_deleted():
    g = greenlet(lambda: None)
    with pytest.raises(AttributeError):
        del g.parent


def test_the_main_greenlet_has_no_parent_and_no_run():
    main = getcurrent()
    while main.parent is not None:
        main = main.parent
    assert type(main) is greenlet and not main.dead and main
    with pytest.raises(AttributeError, match="cannot set the parent of a main"):
        main.parent = greenlet(lambda: None)
    with pytest.raises(AttributeError, match="Main greenlets do not have a run"):
        main.run
    with pytest.raises(AttributeError, match="Main greenlets do not have a run"):
        main.run = print
