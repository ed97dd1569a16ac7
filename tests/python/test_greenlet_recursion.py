"""The raw greenlet: runaway recursion ends in an exception, or in a message.

The ways to recurse are in recursion.py. What bounds them differs: on 3.11 there is
one limit for Python and C, and a stack that is full before is noticed by a fault;
on 3.12 and 3.13 the count of C levels is bounded by the greenlet's stack; what the
interpreter bounds by numbers of its own needs the default stack; later ones look
at the stack itself.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import recursion
from stacks import SMALLEST

PROGRAM = Path(recursion.__file__)
DEFAULT = 1 << 20

# What they end in, where that is not RecursionError.
OTHERWISE = {
    "unary": "MemoryError",
    "lambdas": "MemoryError",
    "conditions": "MemoryError",
    "marshal": "ValueError",
    "parentheses": "no exception",
    "ctypes": "no exception",
}
# The parser, and marshal, have depths of their own that nothing can change.
FIXED = ["unary", "lambdas", "conditions", "marshal", "parentheses"]
# On 3.11 the compiler does not notice that the stack is full.
if sys.version_info < (3, 12):
    FIXED += ["attributes"]
# They parse at each level; since 3.14 the stack may be found full there.
PARSING = ["exec", "eval"]


def counts_calls_with_stars():
    """3.15.0 does not: they recurse for as long as there is memory."""

    def call(*depth):
        if len(depth) > 2 * sys.getrecursionlimit():
            raise OverflowError
        call(*depth, 1)

    try:
        call()
    except (RecursionError, OverflowError) as error:
        return isinstance(error, RecursionError)


BY_STARS = ["f(**k)", "f(*a)"]


def rows(left_out=()):
    """Those to test with, as pytest's parameters."""
    uncounted = pytest.mark.skipif(
        not counts_calls_with_stars(), reason="CPython does not count these calls"
    )
    return [
        pytest.param(row, marks=uncounted if row in BY_STARS else ())
        for row in recursion.ROWS
        if row not in left_out
    ]


def recurse(row, size):
    return subprocess.run(
        [sys.executable, PROGRAM, row, str(size)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def ends_well(row, size):
    result = recurse(row, size)
    expected = {OTHERWISE.get(row, "RecursionError")}
    if row in PARSING and size < DEFAULT and sys.version_info >= (3, 14):
        expected.add("MemoryError")
    return result.returncode == 0 and result.stdout.strip() in expected


def overflows_with_a_message(row, size):
    result = recurse(row, size)
    return result.returncode == -11 and (
        f"its stack of {size} bytes is full" in result.stderr
    )


@pytest.mark.parametrize("row", rows())
def test_at_the_default_stack_size(row):
    assert ends_well(row, DEFAULT)


if sys.version_info < (3, 14):

    @pytest.mark.parametrize("row", ["unary", "marshal"])
    def test_what_cannot_be_bounded_is_never_silent(row):
        assert overflows_with_a_message(row, 1 << 17)


@pytest.mark.parametrize("size", sorted({SMALLEST, 1 << 17, 1 << 18}))
@pytest.mark.parametrize("row", rows(FIXED))
def test_at_any_size(row, size):
    assert ends_well(row, size)


@pytest.mark.parametrize("row", ["sorted", "__getattr__", "repr of lists"])
def test_a_large_limit_for_python(row):
    """It does not bound the stack."""
    source = (
        f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r});"
        "sys.setrecursionlimit(1_000_000); import recursion;"
        f"recursion.main({row!r}, {1 << 18})"
    )
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True
    )
    assert result.stdout == "RecursionError\n", result.stderr
