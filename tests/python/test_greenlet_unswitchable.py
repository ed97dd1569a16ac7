"""greenlet._greenlet.UnswitchableGreenlet: switches that are made to fail."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import grove
import pytest
from grove._greenlet import _greenlet, getcurrent, greenlet

FIRST = r"^Failed to switch stacks into a greenlet for the first time\.$"
RUNNING = r"^Failed to switch stacks into a running greenlet\.$"


@pytest.fixture(params=["switch", "throw"])
def go_to(request):
    """A function that goes to a greenlet."""
    return lambda g: getattr(g, request.param)()


def make(runs):
    def run():
        runs.append(1)
        getcurrent().parent.switch()
        runs.append(2)

    g = _greenlet.UnswitchableGreenlet(run)
    assert isinstance(g, greenlet)
    assert (g.force_switch_error, g.force_slp_switch_error) == (False, False)
    return g


def test_the_first_switch_fails(go_to):
    runs = []
    g = make(runs)
    g.force_switch_error = True
    with pytest.raises(SystemError, match=FIRST):
        go_to(g)
    assert not g and not g.dead and runs == []
    g.force_switch_error = False
    g.switch()
    assert runs == [1]


def test_a_later_switch_fails(go_to):
    runs = []
    g = make(runs)
    g.switch()
    g.force_switch_error = True
    with pytest.raises(SystemError, match=RUNNING):
        go_to(g)
    assert g and runs == [1]
    g.force_switch_error = False
    g.switch()
    assert g.dead and runs == [1, 2]


def test_one_that_is_dead_is_unimpaired():
    g = make([])
    g.switch()
    g.switch()
    g.force_switch_error = g.force_slp_switch_error = True
    assert g.switch(3) == 3


def test_a_crash():
    program = (
        "from grove._greenlet import _greenlet\n"
        "g = _greenlet.UnswitchableGreenlet(print)\n"
        "g.force_slp_switch_error = True\n"
        "g.switch()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(grove.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.stdout, result.returncode) == ("", -signal.SIGABRT)
    assert "Failed low-level slp_switch()" in result.stderr
