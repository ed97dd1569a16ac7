"""Settings in the environment that make no sense are told of, in a sentence."""

import os
import subprocess

import pytest
from build_tree import BUILD

PROGRAM = BUILD / "examples" / "sleep_together"


def told(**settings: str) -> str:
    """What a program writes on standard error."""
    done = subprocess.run(
        [PROGRAM], env={**os.environ, **settings}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    return done.stderr


@pytest.mark.parametrize(
    "name, wrong, expected",
    [
        ("GROVE_DUMP", "yes", "expected 1, or 0"),
        ("GROVE_GUARD", "none", "expected mprotect"),
        ("GROVE_SPIN", "x", "expected microseconds"),
        ("GROVE_STACK_SIZE", "big", "expected "),
        ("GROVE_STALLS", "x", "expected "),
    ],
)
def test_wrong_values(name: str, wrong: str, expected: str):
    text = told(**{name: wrong})
    assert text.startswith(f'grove: {name} is "{wrong}"; {expected}')
    assert text.count("\n") == 1


def test_right_values_are_taken_without_a_word():
    assert told(GROVE_DUMP="1", GROVE_GUARD="mprotect", GROVE_SPIN="7", GROVE_STACK_SIZE="1M") == ""
    assert told(GROVE_DUMP="0", GROVE_STALLS="0") == ""
