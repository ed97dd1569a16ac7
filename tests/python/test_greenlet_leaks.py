"""The raw greenlet leaves nothing behind: each test of the other files, repeated
50 times, leaves the number of objects, of mappings and the resident memory as
they were."""

import gc
import importlib
import inspect
import os

import pytest
from test_greenlet_capi import c, cxx, folder  # noqa: F401: fixtures

MODULES = ["values", "throw", "parents", "object", "death", "state", "tracing"]
MODULES += ["threads", "capi"]
FIXTURES = ("c", "cxx")
TIMES = 50

LEFT_OUT = {
    "test_what_throw_makes_of_its_arguments": "the instances are the same each time",
    "test_one_that_switches_away_instead_is_reported_and_kept": "a reference is "
    "lost on purpose, as greenlet does",
    "test_getcurrent_while_the_interpreter_is_finalized": "makes a process",
    "test_the_header_alone": "makes a process",
    "test_a_cxx_runtime_that_is_loaded_late": "makes a process",
    "test_an_exception_that_nobody_catches": "makes a process",
    "test_faulthandler_on_a_full_stack": "makes a process",
    "test_deep_structures_are_freed_in_a_greenlet": "0.1 s each",
    "test_one_that_a_coroutine_suspended_is_left_alone": "its stacks stay",
    "test_a_cycle_through_a_generator_does_no_harm": "may stay",
}


def parameter_sets(function):
    """Keyword arguments for each case that pytest would make; None: it wants
    fixtures."""
    sets = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "skipif" and mark.args[0]:
            return None
        if mark.name == "parametrize":
            names = [name.strip() for name in mark.args[0].split(",")]
            sets = [
                {**given, **dict(zip(names, values if len(names) > 1 else [values]))}
                for given in sets
                for values in mark.args[1]
            ]
    wanted = set(inspect.signature(function).parameters)
    if wanted - set(sets[0]) - set(FIXTURES):
        return None
    return sets


def bodies():
    for module_name in MODULES:
        module = importlib.import_module("test_greenlet_" + module_name)
        for name, function in vars(module).items():
            if not name.startswith("test_") or name in LEFT_OUT:
                continue
            sets = parameter_sets(function)
            if sets:
                yield pytest.param(function, sets, id=f"{module_name}-{name[5:]}")


def mappings():
    with open("/proc/self/maps") as maps:
        return sum(1 for line in maps)


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def a_small_heap():
    """So that collections are fast."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def measure():
    for _ in range(3):
        gc.collect()
    return len(gc.get_objects()), mappings(), resident()


def run(function, sets, fixtures, times):
    for _ in range(times):
        for kwargs in sets:
            function(**kwargs, **fixtures)


@pytest.mark.parametrize("function, sets", bodies())
def test_repeated(function, sets, request):
    fixtures = {
        name: request.getfixturevalue(name)
        for name in inspect.signature(function).parameters
        if name in FIXTURES
    }
    run(function, sets, fixtures, 5)
    # Allocators and caches settle at some time; what leaks does not.
    for attempt in range(4):
        before = measure()
        run(function, sets, fixtures, TIMES)
        after = measure()
        objects, maps, memory = (b - a for a, b in zip(before, after))
        if objects < TIMES // 10 and maps <= 1 and memory <= 256 << 10:
            return
    pytest.fail(
        f"each of {TIMES} runs left {objects / TIMES} objects, "
        f"{maps / TIMES} mappings, {memory / TIMES} bytes"
    )
