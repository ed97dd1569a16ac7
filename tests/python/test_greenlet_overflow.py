"""The raw greenlet: what follows a stack that was full, and what is said of one
whose code in C cannot be stopped.

On 3.11 a full stack is found by a fault, in a process that goes on; so each of
these runs in one of its own, as a function of this file.
"""

import ast
import ctypes
import faulthandler
import gc
import json
import os
import pickle
import subprocess
import sys
import threading

import pytest
import recursion

SIZES = [1 << 16, 1 << 18, 1 << 20, 1 << 23]

# Before 3.12 the interpreter knows nothing of the stack's size.
by_fault = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="the interpreter counts C levels by itself"
)


def run(function, *arguments, environment=None):
    return subprocess.run(
        [sys.executable, __file__, function, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,  # a hang: a deep one takes a debug build a minute
        env={**os.environ, **(environment or {})},
    )


def passes(function, *arguments, environment=None):
    result = run(function, *arguments, environment=environment)
    assert result.stderr == ""
    assert result.returncode == 0
    assert result.stdout == "done\n"


def in_greenlet(function, *arguments):
    from grove._core import greenlet

    return greenlet(function).switch(*arguments)


def levels():
    """How deep sorted(key=...) can go here."""
    deepest = 0

    def down(n=0):
        nonlocal deepest
        deepest = max(deepest, n)
        return sorted([n], key=lambda n: down(n + 1))

    with pytest.raises(RecursionError):
        down()
    return deepest


def python_levels(n=0):
    try:
        return python_levels(n + 1)
    except RecursionError:
        return n


def full_again_and_again(size):
    """No level of the limit is lost, and the stack holds as much each time."""

    def body():
        plain = python_levels()
        levels(), levels()  # the interpreter specialises what it runs
        deepest = [levels() for _ in range(20)]
        assert max(deepest) - min(deepest) <= 1 and deepest[0] >= 2
        assert python_levels() == plain
        return plain

    assert in_greenlet(body) > sys.getrecursionlimit() - 20
    eval_frame_is_the_interpreters()


def eval_frame_is_the_interpreters():
    """No stack is open: calls are not looked at any more."""
    get = ctypes.pythonapi._PyInterpreterState_GetEvalFrameFunc
    get.restype = ctypes.c_void_p
    main = ctypes.pythonapi.PyInterpreterState_Main
    main.restype = ctypes.c_void_p
    get.argtypes = [ctypes.c_void_p]
    default = ctypes.cast(
        ctypes.pythonapi._PyEval_EvalFrameDefault, ctypes.c_void_p
    ).value
    assert get(main()) == default


def one_kind_after_another(size):
    """What takes more stack a level comes after what takes less, and no function
    is called in between."""
    sys.setrecursionlimit(100_000)
    nested = recursion.nested(40_000)

    def body():
        for _ in range(2):
            for make in (pickle.dumps, repr, json.dumps, pickle.dumps):
                try:
                    make(nested)
                except RecursionError:
                    pass
        with pytest.raises(RecursionError):
            recursion.by_sorted()
        with pytest.raises(RecursionError):
            recursion.by_cmp_to_key()

    in_greenlet(body)


class Recurses:
    def __del__(self):
        recursion.by_sorted()


def handlers_at_depth(size):
    sys.unraisablehook = lambda unraisable: None
    finished = 0

    def down(n=0):
        nonlocal finished
        thing = Recurses()
        try:
            try:
                return sorted([n], key=lambda n: down(n + 1))
            finally:
                finished += 1
        except RecursionError:
            try:
                recursion.by_sorted_directly()
            except RecursionError:
                del thing
            raise

    def body():
        with pytest.raises(RecursionError):
            down()

    in_greenlet(body)
    assert finished > 2


def parked_while_full(size):
    """Switches away from deep down, and back, among others; some are killed."""
    from grove._core import getcurrent, greenlet

    main = getcurrent()

    def down(n=0):
        try:
            return sorted([n], key=lambda n: down(n + 1))
        except RecursionError:
            main.switch("full")
            raise

    def body():
        with pytest.raises(RecursionError):
            down()
        assert levels() >= 2
        return "came out"

    greenlets = [greenlet(body) for _ in range(60)]
    assert {g.switch() for g in greenlets} == {"full"}
    assert in_greenlet(python_levels) > sys.getrecursionlimit() - 20
    for g in greenlets[:20]:
        told = "full"
        while told == "full":
            told = g.switch()
        assert told == "came out"
    del g, greenlets
    gc.collect()
    eval_frame_is_the_interpreters()


def in_threads(size):
    found = []

    def thread():
        found.append(in_greenlet(levels))

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4 and min(found) >= 2
    eval_frame_is_the_interpreters()


def with_faulthandler(size):
    """Whoever came last."""
    for switch in (faulthandler.enable, faulthandler.disable, faulthandler.enable):
        switch()
        in_greenlet(levels)
    faulthandler.disable()


def in_generators(size):
    def body():
        with pytest.raises(RecursionError):
            next(recursion.by_next())
        with pytest.raises(RecursionError):
            recursion.by_await().send(None)
        return levels()

    assert in_greenlet(body) >= 2


def a_great_limit(size):
    sys.setrecursionlimit(1_000_000)
    assert in_greenlet(levels) >= 2
    with pytest.raises(RecursionError):
        in_greenlet(recursion.by_map)


WAYS = {
    function.__name__: function
    for function in (
        full_again_and_again,
        one_kind_after_another,
        handlers_at_depth,
        parked_while_full,
        in_threads,
        with_faulthandler,
        in_generators,
        a_great_limit,
    )
}


@by_fault
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_a_full_stack(way, size):
    passes(way, size)


@by_fault
@pytest.mark.parametrize("way", ["full_again_and_again", "parked_while_full"])
def test_a_full_stack_with_guards_by_mprotect(way):
    passes(way, 1 << 18, environment={"GROVE_GUARD": "mprotect"})


# ---- the message -------------------------------------------------------------


def parse():
    """C alone: nothing can raise in the parser."""
    ast.parse("-" * 100_000 + "1")


def of_a_greenlet(size):
    import grove

    g = grove.spawn(parse)
    assert g.minimal_ident == 0
    grove.joinall([g])


def of_a_named_one(size):
    import grove

    g = grove.spawn(parse)
    g.name = "J\u00e4ger\n\u20ac"
    grove.joinall([g])


def of_a_raw_one(size):
    in_greenlet(parse)


WAYS_TO_DIE = {
    of_a_greenlet: '"parse, minimal_ident 0"',
    of_a_named_one: '"J\u00e4ger?\u20ac: parse"',
    of_a_raw_one: '"parse"',
}


@pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="the parser looks at the stack itself"
)
@pytest.mark.parametrize("way", WAYS_TO_DIE, ids=lambda way: way.__name__)
def test_the_message_names_the_greenlet_and_shows_its_python_stack(way):
    result = run(way.__name__, 1 << 17)
    assert result.returncode == -11
    assert f"{WAYS_TO_DIE[way]}: its stack of 131072 bytes is full" in result.stderr
    assert "Stack (most recent call first):" in result.stderr
    assert "in parse\n" in result.stderr


def main(name, size):
    from grove._core import stack_size

    stack_size(int(size))
    ways = {**WAYS, **{way.__name__: way for way in WAYS_TO_DIE}}
    ways[name](int(size))
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
