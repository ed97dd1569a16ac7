"""sleep."""

import time

import grove
import pytest


def test_at_least_as_long():
    for seconds in 0.001, 0.02:
        start = time.perf_counter()
        assert grove.sleep(seconds) is None
        assert time.perf_counter() - start >= seconds


def test_in_order_of_time():
    seen = []

    def f(seconds):
        due = time.monotonic() + seconds
        grove.sleep(seconds)
        seen.append(due)

    grove.joinall([grove.spawn(f, s) for s in (0.03, 0.01, 0.02)])
    assert len(seen) == 3 and seen == sorted(seen)


@pytest.mark.parametrize("seconds", [0, 0.0, -1, False, 1e-12])
def test_lets_others_run(seconds):
    seen = []
    grove.spawn(seen.append, 1)
    grove.sleep(seconds)
    assert seen == [1]


@pytest.mark.parametrize("bad", ["x", None, object()])
def test_bad_argument(bad):
    with pytest.raises(TypeError):
        grove.sleep(bad)


def test_keywords():
    grove.sleep(seconds=0.001)
    grove.sleep(0, True)
    grove.sleep(seconds=0, ref=False)
    with pytest.raises(TypeError):
        grove.sleep(nonsense=1)


def test_ref_false_does_not_keep_the_loop():
    g = grove.spawn(grove.sleep, 60, ref=False)
    grove.sleep(0)
    with pytest.raises(grove.hub.LoopExit):
        g.join()
    assert not g.ready()
    g.kill()


def test_not_in_the_hub():
    seen = []

    def callback():
        for seconds in 0, 0.01:
            try:
                grove.sleep(seconds)
            except grove.hub.BlockingSwitchOutError as e:
                seen.append(e)

    grove.get_hub().loop.run_callback(callback)
    grove.sleep(0)
    assert len(seen) == 2


def test_fair():
    turns = []

    def f(name):
        for _ in range(3):
            turns.append(name)
            grove.sleep(0)

    grove.joinall([grove.spawn(f, n) for n in "abc"])
    assert "".join(turns) == "abcabcabc"


def test_timers_come_while_others_are_busy():
    done = []

    def busy():
        while not done:
            grove.sleep(0)

    g = grove.spawn(busy)
    grove.spawn_later(0.01, done.append, 1)
    g.join(timeout=60)
    assert g.ready()
