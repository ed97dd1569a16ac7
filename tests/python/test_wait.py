"""joinall, wait and iwait."""


import grove
import pytest
from awaiting import one_after_another
from grove.event import Event


@pytest.fixture
def quiet():
    hub = grove.get_hub()
    hub.handle_error = lambda *args: None
    yield
    del hub.handle_error


def sleeper(seconds):
    grove.sleep(seconds)
    return seconds


def bad():
    grove.sleep(0.001)
    raise ValueError("x")


class Linked:
    """Anything with rawlink can be waited for."""

    def __init__(self, first, *args, exception=None):
        """What it does first, before it is done."""
        self.links = []
        self.exception = exception
        grove.spawn(self.fire, first, *args)

    def fire(self, first, *args):
        first(*args)
        for link in self.links:
            link(self)

    def rawlink(self, link):
        self.links.append(link)

    def unlink(self, link):
        self.links.remove(link)


def test_in_the_order_they_end():
    turn = one_after_another(3)
    gs = [grove.spawn(turn, place) for place in (2, 0, 1)]
    assert [g.value for g in grove.joinall(gs)] == [0, 1, 2]
    assert grove.joinall(gs) == gs
    assert grove.joinall([]) == []


def test_any_iterable():
    gs = [grove.spawn(sleeper, 0) for _ in range(3)]
    assert grove.joinall(iter(gs)) == gs
    assert sorted(map(id, grove.joinall(set(gs)))) == sorted(map(id, gs))


def test_twice_the_same():
    a, b = grove.spawn(sleeper, 0), grove.spawn(sleeper, 0)
    assert grove.joinall([a, a, b]) == [a, a, b]


def test_count():
    gs = [grove.spawn(sleeper, s) for s in (0.2, 0.01, 0.02)]
    assert [g.value for g in grove.joinall(gs, count=1)] == [0.01]
    assert [g.value for g in grove.wait(gs, count=2)] == [0.01, 0.02]
    assert grove.joinall(gs, count=0) == []
    assert len(grove.joinall(gs, count=10)) == 3


def test_timeout():
    gs = [grove.spawn(sleeper, s) for s in (60, 0.001)]
    assert grove.joinall(gs, timeout=0.02) == [gs[1]]
    assert not gs[0].ready()
    assert grove.joinall(gs, timeout=0) == [gs[1]]
    grove.killall(gs)
    g = grove.spawn(lambda: 1)
    assert grove.wait([g], timeout=0) == [g]


def test_raise_error(quiet):
    gs = [grove.spawn(sleeper, 60), grove.spawn(bad)]
    with pytest.raises(ValueError):
        grove.joinall(gs, raise_error=True)
    assert not gs[0].ready()
    gs[0].kill()
    assert grove.joinall(gs) == [gs[0], gs[1]] or len(gs) == 2


def test_no_links_are_left(quiet):
    g = grove.spawn(sleeper, 5)
    for _ in range(100):
        grove.wait([g], timeout=0)
        with grove.iwait([g], timeout=0) as it:
            assert list(it) == []
    g.kill()


def test_iwait():
    turn = one_after_another(2)
    gs = [grove.spawn(turn, place) for place in (1, 0)]
    assert list(grove.iwait(gs)) == [gs[1], gs[0]]
    gs = [grove.spawn(sleeper, s) for s in (60, 0.001)]
    with grove.iwait(gs) as it:
        assert next(it) is gs[1]
    assert list(it) == []
    grove.killall(gs)


def test_iwait_count_and_timeout():
    gs = [grove.spawn(sleeper, s) for s in (0.001, 0.002, 60)]
    assert len(list(grove.iwait(gs, count=2))) == 2
    assert len(list(grove.iwait(gs, timeout=0.02))) == 2
    assert not gs[2].ready()
    grove.killall(gs)


def test_iwait_dropped():
    g = grove.spawn(sleeper, 0.005)
    it = grove.iwait([g])
    del it
    g.join()


def test_iwait_two_at_once():
    g = grove.spawn(sleeper, 0.01)
    it = grove.iwait([g])
    first = grove.spawn(next, it)
    grove.sleep(0)
    with pytest.raises(grove.hub.ConcurrentObjectUseError):
        next(it)
    assert first.get() is g


def test_objects_with_rawlink():
    turn = one_after_another(3)
    a, b = Linked(turn, 2), Linked(turn, 0)
    g = grove.spawn(turn, 1)
    ready = grove.wait([a, b, g])  # a tells of itself, g is told of in its turn
    assert ready[0] is b and set(ready[1:]) == {a, g}
    gate = Event()
    c = Linked(gate.wait)
    assert grove.wait([c], timeout=0.001) == []
    assert c.links == []
    gate.set()
    with pytest.raises(KeyError):
        grove.joinall([Linked(grove.sleep, 0.001, exception=KeyError())], raise_error=True)


def test_what_cannot_be_waited_for():
    g = grove.spawn(sleeper, 0)
    with pytest.raises(AttributeError):
        grove.joinall([g, 3])
    with pytest.raises(TypeError):
        grove.joinall(3)
    with pytest.raises(TypeError):
        grove.joinall()
    g.join()


def test_for_everything():
    gs = [grove.spawn(sleeper, s) for s in (0.001, 0.01)]
    assert grove.wait() is True
    assert all(g.ready() for g in gs)
    g = grove.spawn(sleeper, 5)
    assert grove.wait(timeout=0.01) is False
    g.kill()
    assert grove.wait(timeout=60) is True  # False: it had waited for all of it


def test_main_only():
    g = grove.spawn(grove.wait)
    hub = grove.get_hub()
    hub.handle_error = lambda *args: None
    with pytest.raises(AssertionError):
        g.get()
    del hub.handle_error


def test_killed_while_waiting():
    gs = [grove.spawn(sleeper, 0.02) for _ in range(10)]
    waiter = grove.spawn(grove.joinall, gs)
    grove.sleep(0.001)
    waiter.kill()
    grove.joinall(gs)
    assert isinstance(waiter.value, grove.GreenletExit)
