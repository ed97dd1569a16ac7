"""The raw greenlet leaves nothing behind: each test of the other files, repeated
50 times, leaves the number of objects, of mappings and the resident memory as
they were."""

import gc
import os

import greenlet_bodies
import pytest
from test_greenlet_capi import c, cxx, folder  # noqa: F401: fixtures

TIMES = 50


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


# A warning that is shown is kept by pytest: those about forks on 3.12 and later.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize(
    "function, sets, wanted",
    [pytest.param(*rest, id=name) for name, *rest in greenlet_bodies.bodies()],
)
def test_repeated(function, sets, wanted, request):
    fixtures = {name: request.getfixturevalue(name) for name in wanted}
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
