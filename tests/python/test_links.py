"""link, rawlink and their kin."""

import grove
import pytest
from grove import Greenlet
from grove.greenlet import SpawnedLink


def settle():
    for _ in range(3):
        grove.sleep(0)


def bad():
    raise ValueError


def test_in_order_and_once():
    seen = []
    g = grove.spawn(lambda: 1)
    g.rawlink(lambda g: seen.append(1))
    g.link(lambda g: seen.append(2))
    g.rawlink(lambda g: seen.append(3))
    assert g.has_links()
    g.join()
    settle()
    assert seen == [1, 2, 3] and not g.has_links()


def test_rawlink_runs_in_the_hub_and_link_does_not():
    seen = []
    g = grove.spawn(lambda: 1)
    g.rawlink(lambda g: seen.append(grove.getcurrent()))
    g.link(lambda g: (grove.sleep(0), seen.append(grove.getcurrent())))
    g.join()
    settle()
    assert seen[0] is grove.get_hub()
    assert seen[1] is not grove.get_hub() and type(seen[1]).__name__ == "greenlet"


def test_after_the_end():
    seen = []
    g = grove.spawn(lambda: 1)
    g.join()
    g.link(seen.append)
    g.rawlink(seen.append)
    assert not seen
    settle()
    assert seen == [g, g]


def test_value_and_exception(errors):
    seen = []
    good, failed, killed = grove.spawn(lambda: 1), grove.spawn(bad), Greenlet(bad)
    for g in good, failed, killed:
        g.link_value(lambda g: seen.append(("value", g)))
        g.link_exception(lambda g: seen.append(("exception", g)))
    killed.kill()
    grove.joinall([good, failed])
    settle()
    assert sorted(kind for kind, g in seen) == ["exception", "value", "value"]
    assert ("exception", failed) in seen


@pytest.mark.parametrize("method", ["link", "link_value", "link_exception"])
@pytest.mark.parametrize("by_name", [False, True])
def test_the_kind_of_link_can_be_given(method, by_name, errors):
    """Then it decides when it calls, whatever the way of linking."""
    seen = []

    class Told(SpawnedLink):
        def __call__(self, source):
            seen.append(source)
            super().__call__(source)

    for function in (int, bad):
        g = Greenlet(function)
        link = getattr(g, method)
        link(seen.append, SpawnedLink=Told) if by_name else link(seen.append, Told)
        g.start()
        g.join()
        grove.sleep(0)
        assert seen == [g, g]
        seen.clear()


def test_unlink():
    seen = []
    g = grove.spawn(lambda: 1)
    g.link(seen.append)
    g.rawlink(seen.append)
    g.unlink(seen.append)
    g.unlink(seen.append)
    g.unlink(seen.append)
    g.link(seen.append)
    g.unlink_all()
    assert not g.has_links()
    g.join()
    settle()
    assert not seen


def test_a_link_that_fails(errors):
    seen = []

    def broken(g):
        raise KeyError

    g = grove.spawn(lambda: 1)
    g.rawlink(broken)
    g.link(broken)
    g.rawlink(seen.append)
    g.join()
    settle()
    assert seen == [g]
    assert [e[1] for e in errors] == [KeyError, KeyError]
    assert errors[0][0] == (broken, g)


def test_a_link_that_links():
    seen = []

    def again(g):
        if len(seen) < 3:
            seen.append(g)
            g.rawlink(again)

    g = grove.spawn(lambda: 1)
    g.rawlink(again)
    g.join()
    settle()
    assert len(seen) == 3


def test_not_callable():
    g = Greenlet()
    for link in g.link, g.rawlink, g.link_value, g.link_exception:
        with pytest.raises(TypeError):
            link(3)


def test_link_to_another_greenlets_method():
    main = grove.getcurrent()
    hub = grove.get_hub()
    g = grove.spawn(lambda: 7)
    g.rawlink(main.switch)
    assert hub.switch() is g
