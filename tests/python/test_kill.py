"""kill, killall and throw."""

import grove
import grove.hub
import grove.pool
import pytest
from grove import Greenlet


def stubborn():
    while True:
        try:
            grove.sleep(10)
        except grove.GreenletExit:
            pass


def end(g):
    g.kill(SystemError("no more"))


def test_kill_a_parked_one():
    g = grove.spawn(grove.sleep, 10)
    grove.sleep(0)
    assert g.kill() is None
    assert g.dead and g.successful() and isinstance(g.value, grove.GreenletExit)
    assert g.kill() is None


def test_kill_before_the_start():
    ran, links = [], []
    g = Greenlet(ran.append, 1)
    g.rawlink(links.append)
    g.kill()
    assert g.dead and g.ready() and g.successful() and not g.started
    g.start()
    grove.sleep(0)
    grove.sleep(0)
    assert not ran and links == [g]


@pytest.mark.parametrize("spawn", [grove.spawn, lambda f, x: grove.spawn_later(0.001, f, x)])
def test_kill_before_its_turn(spawn):
    ran, links = [], []
    g = spawn(ran.append, 1)
    g.link(links.append)
    g.kill()
    grove.sleep(0.01)
    assert not ran and links == [g] and g.dead


def test_kill_never_raises(errors):
    g = grove.spawn(stubborn)
    grove.sleep(0)
    assert g.kill(timeout=0.01) is None
    assert not g.dead
    assert g.kill(block=False) is None
    g.kill(ValueError)
    assert isinstance(g.exception, ValueError)


def test_kill_by_any_exception(errors):
    for spec, cls in [
        (ValueError, ValueError),
        (ValueError("x"), ValueError),
        ((ValueError, ValueError("x"), None), ValueError),
    ]:
        g = grove.spawn(grove.sleep, 10)
        grove.sleep(0)
        g.kill(spec)
        assert isinstance(g.exception, cls)
        early = grove.spawn(grove.sleep, 10)
        early.kill(spec)
        assert isinstance(early.exception, cls)
    assert len(errors) == 6


def test_kill_oneself():
    def f():
        try:
            grove.getcurrent().kill()
        except grove.GreenletExit:
            return "killed"

    assert grove.spawn(f).get() == "killed"


def test_kill_without_waiting():
    g = grove.spawn(grove.sleep, 10)
    grove.sleep(0)
    g.kill(block=False)
    assert not g.dead
    grove.sleep(0)
    assert g.dead


def test_kill_function():
    g = grove.spawn(grove.sleep, 10)
    raw = grove.spawn_raw(grove.sleep, 10)
    early = grove.spawn_raw(grove.sleep, 10)
    grove.kill(early)
    grove.sleep(0)
    assert grove.kill(g) is None and grove.kill(raw) is None
    grove.sleep(0)
    assert g.dead and raw.dead and early.dead
    grove.kill(raw)
    with pytest.raises(TypeError):
        grove.kill(3)


def test_killall():
    ran = []
    gs = [grove.spawn(grove.sleep, 10) for _ in range(3)]
    grove.sleep(0)
    gs.append(grove.spawn(ran.append, 1))
    gs.append(Greenlet(ran.append, 1))
    assert grove.killall(iter(gs)) is None
    assert all(g.dead for g in gs) and not ran
    assert grove.killall([]) is None
    assert grove.killall(gs) is None


def test_killall_of_raw_ones():
    gs = [grove.spawn_raw(grove.sleep, 10) for _ in range(3)]
    grove.sleep(0)
    grove.killall(gs)
    grove.sleep(0)
    assert all(g.dead for g in gs)


def test_killall_without_waiting():
    gs = [grove.spawn(grove.sleep, 10) for _ in range(3)]
    grove.sleep(0)
    grove.killall(gs, block=False)
    assert not any(g.dead for g in gs)
    grove.sleep(0)
    assert all(g.dead for g in gs)


class Unfloatable:
    def __float__(self):
        raise KeyError("float")


@pytest.mark.parametrize(
    "timeout, error",
    [("1", TypeError), (Unfloatable(), KeyError)],
    ids=["str", "unfloatable"],
)
def test_killall_with_a_timeout_that_is_none(timeout, error):
    gs = [grove.spawn(grove.sleep, 10) for _ in range(3)]
    grove.sleep(0)
    with pytest.raises(error):
        grove.killall(gs, timeout=timeout)
    grove.joinall(gs)
    assert all(isinstance(g.value, grove.GreenletExit) for g in gs)


def made_once(error):
    """An exception whose second instance cannot be made, for that error."""

    class MadeOnce(Exception):
        made = 0

        def __init__(self):
            MadeOnce.made += 1
            if MadeOnce.made == 2:
                raise error

    return MadeOnce


def test_killall_with_an_exception_that_fails_to_be_made(errors):
    gs = [grove.spawn(grove.sleep, 10) for _ in range(2)]
    grove.sleep(0)
    once = made_once(KeyError)
    assert grove.killall(gs, once) is None
    assert [type(g.exception) for g in gs] == [once, KeyError]


def test_killall_that_is_interrupted(errors):
    gs = [grove.spawn(grove.sleep, 10) for _ in range(2)]
    grove.sleep(0)
    once = made_once(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        grove.killall(gs, once)
    gs[0].join()
    assert type(gs[0].exception) is once and not gs[1].ready()
    gs[1].kill()


def test_killall_raises_timeout(errors):
    g = grove.spawn(stubborn)
    grove.sleep(0)
    with pytest.raises(grove.Timeout):
        grove.killall([g], timeout=0.01)
    assert not g.dead
    end(g)
    assert g.dead


def test_throw_before_the_start(errors):
    ran, links = [], []
    g = grove.spawn(ran.append, 1)
    g.rawlink(links.append)
    g.throw(ValueError("x"))
    assert g.dead and isinstance(g.exception, ValueError)
    grove.sleep(0)
    assert not ran and links == [g]
    h = Greenlet(ran.append, 1)
    h.throw()
    assert h.dead and isinstance(h.value, grove.GreenletExit)


def test_throw_from_the_hub():
    caught = []

    def f():
        try:
            grove.sleep(10)
        except ValueError as e:
            caught.append(e)

    g = grove.spawn(f)
    grove.sleep(0)
    grove.get_hub().loop.run_callback(g.throw, ValueError("x"))
    g.join()
    assert len(caught) == 1 and g.successful()


def test_killed_while_it_joins():
    inner = grove.spawn(grove.sleep, 0.01)
    outer = grove.spawn(inner.join)
    grove.sleep(0)
    outer.kill()
    inner.join()
    assert inner.successful()


def test_killing_a_woken_one():
    """It was made ready by one, and is killed by another before its turn."""
    seen = []

    def f():
        try:
            first.join()
            grove.sleep(10)
        except grove.GreenletExit:
            seen.append("exit")

    first = grove.spawn(lambda: None)
    g = grove.spawn(f)
    grove.sleep(0)
    g.kill()
    assert seen == ["exit"]


def test_what_cannot_be_thrown_ends_it_by_a_type_error(errors):
    for kill in (lambda g: g.kill(1), lambda g: grove.killall([g], 1)):
        for begun in (False, True):
            g = grove.spawn(grove.sleep, 60)
            if begun:
                grove.sleep(0)
            kill(g)
            assert g.dead and isinstance(g.exception, TypeError)
    assert [kind for _, kind, _, _ in errors] == [TypeError] * 4


def test_with_calls_what_is_overridden():
    calls = []

    class Mine(grove.Greenlet):
        def join(self, *args):
            calls.append("join")
            super().join(*args)

        def kill(self, *args):
            calls.append(("kill", *args))
            super().kill(*args)

    with Mine.spawn(len, ()):
        pass
    error = ValueError()
    with pytest.raises(ValueError), Mine.spawn(grove.sleep, 60):
        raise error
    assert calls[:2] == ["join", ("kill", grove.GreenletExit)]
    assert calls[2] == ("kill", (ValueError, error, error.__traceback__))


def test_a_with_statement_whose_wait_fails_kills(errors):
    def leaves():
        with g:
            pass

    g = grove.spawn(grove.sleep, 60)
    leaver = grove.spawn(leaves)
    grove.sleep(0)
    error = ValueError()
    leaver.kill(error)
    assert g.dead and leaver.exception is error


def test_exit_takes_an_exception_in_parts():
    for spec in ((ValueError, None, None), (ValueError, "text", None)):
        g = grove.spawn(grove.sleep, 60)
        g.__exit__(*spec)
        assert g.dead and isinstance(g.exception, ValueError)


def test_spawn_later_without_a_function():
    with pytest.raises(TypeError):
        grove.spawn_later(1)


def test_a_waiter_keeps_what_it_is_given_outside_the_hub():
    waiter = grove.hub.Waiter()
    waiter.switch(1)
    assert waiter.ready() and waiter.get() == 1
    waiter.throw(ValueError)
    with pytest.raises(ValueError):
        waiter.get()


def test_a_second_killone_returns_at_once():
    group = grove.pool.Group()
    g = group.spawn(grove.sleep, 60)
    grove.sleep(0)
    group.killone(g, block=False)
    group.killone(g)
    assert not g.dead
    group.join()
    assert g.dead
