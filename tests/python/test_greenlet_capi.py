"""The C API of the raw greenlet: greenlet.h and the capsule behind it, used by
an extension in C and one in C++ that are built here."""

import gc
import os
import subprocess
import sys
import sysconfig
import weakref
from pathlib import Path

import built_extensions
import grove._greenlet
import pytest
from built_extensions import COMPAT, HERE, build
from grove._greenlet import GreenletExit, error, getcurrent, greenlet

PYTHON_TREE = Path(grove.__file__).parents[1]

# What imports an extension, in a process of its own.
PREAMBLE = """
import sys
sys.path[:0] = {path!r}
import grove
grove.install_as_gevent()
"""


def load(library):
    grove.install_as_gevent()
    return built_extensions.load(library)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("extensions")


@pytest.fixture(scope="module")
def c(folder):
    """The extension in C, loaded under the name that it imports: greenlet."""
    before = {name: sys.modules.get(name) for name in ("greenlet", "gevent")}
    yield load(build(HERE / "greenlet_c.c", folder))
    for name, module in before.items():
        if module is None:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def cxx(folder):
    return load(build(HERE / "greenlet_cxx.cpp", folder))


def suspended(run=lambda: getcurrent().parent.switch()):
    g = greenlet(run)
    g.switch()
    return g


# ---- the table, an entry a test --------------------------------------------


def test_the_layout(c):
    assert c.sizes() == (40, 16, 24)


def test_the_classes(c):
    assert c.classes() == (greenlet, error, GreenletExit)


def test_check(c):
    class Mine(greenlet):
        pass

    assert c.check(greenlet(print)) == c.check(Mine(print)) == (1, 0)
    assert c.check(3) == c.check(greenlet) == (0, 0)


def test_new(c):
    g = c.new(lambda: 5, None)
    assert type(g) is greenlet and g.parent is getcurrent() and g.switch() == 5
    parent = greenlet(lambda value: ("parent", value))
    assert c.new(lambda: 5, parent).switch() == ("parent", 5)
    empty = c.new(None, None)
    with pytest.raises(AttributeError, match="run"):
        empty.switch()


def test_new_refuses_what_is_no_parent(c):
    with pytest.raises(TypeError, match="not int"):
        c.new(print, 3)


def test_getcurrent(c):
    assert c.getcurrent() is getcurrent()
    g = greenlet(c.getcurrent)
    assert g.switch() is g


def test_getcurrent_while_the_interpreter_is_finalized(c):
    source = PREAMBLE + """
import greenlet_c, builtins, os
class Late:
    def __del__(self, getcurrent=greenlet_c.getcurrent, write=os.write):
        try:
            getcurrent()
        except RuntimeError as error:
            write(1, str(error).encode())
builtins.late = Late()
"""
    path = [str(PYTHON_TREE), str(Path(c.__file__).parent)]
    result = subprocess.run(
        [sys.executable, "-c", source.format(path=path)],
        capture_output=True,
        text=True,
    )
    assert result.stdout == "greenlet is being finalized", result.stderr


def test_switch(c):
    def run(*args, **kwargs):
        while True:
            args, kwargs = getcurrent().parent.switch(args, kwargs), None

    g = greenlet(lambda *args, **kwargs: (args, kwargs))
    assert c.switch(g, (1, 2), {"a": 3}) == ((1, 2), {"a": 3})
    g = suspended(lambda: getcurrent().parent.switch(getcurrent().parent.switch()))
    assert c.switch(g, (1, 2), None) == (1, 2)
    assert c.switch(g, None, None) == ()
    assert g.dead
    for kwargs in (None, {}, 3):  # what is no dict is none
        assert c.switch(getcurrent(), (1,), kwargs) == 1
    assert c.switch(getcurrent(), (1,), {"a": 2}) == ((1,), {"a": 2})


def test_switch_passes_exceptions_on(c):
    with pytest.raises(ZeroDivisionError):
        c.switch(greenlet(lambda: 1 / 0), None, None)


def test_switch_refuses(c):
    with pytest.raises(TypeError):
        c.switch(3, None, None)
    with pytest.raises(TypeError):
        c.switch(greenlet(print), [1], None)
    with pytest.raises(TypeError):
        c.switch(None, None, None)


def test_throw(c):
    def run():
        try:
            getcurrent().parent.switch()
        except KeyError as e:
            return e

    caught = c.throw(suspended(run), KeyError, "key", None)
    assert caught.args == ("key",)
    instance = KeyError("it")
    assert c.throw(suspended(run), instance, None, None) is instance
    with pytest.raises(ValueError):
        c.throw(suspended(), ValueError, None, None)
    assert isinstance(c.throw(suspended(), GreenletExit, None, None), GreenletExit)


def test_throw_refuses(c):
    g = suspended()
    with pytest.raises(TypeError, match="classes, or instances, not int"):
        c.throw(g, 3, None, None)
    with pytest.raises(TypeError, match="must be a traceback object"):
        c.throw(g, KeyError, None, 3)
    with pytest.raises(TypeError):
        c.throw(3, KeyError, None, None)
    assert not g.dead


def test_set_parent(c):
    a = greenlet(lambda value: ("a", value))
    g = greenlet(lambda: 1)
    c.set_parent(g, a)
    assert g.parent is a
    with pytest.raises(ValueError, match="cyclic parent chain"):
        c.set_parent(a, g)
    with pytest.raises(TypeError):
        c.set_parent(g, 3)
    with pytest.raises(TypeError):
        c.set_parent(3, g)
    with pytest.raises(AttributeError):
        c.set_parent(g, None)
    assert g.switch() == ("a", 1)


def test_get_parent(c):
    main = getcurrent()
    g = greenlet(print)
    before = sys.getrefcount(main)
    assert c.get_parent(g) is main
    assert sys.getrefcount(main) == before
    while main.parent:
        main = main.parent
    assert c.get_parent(main) is None
    with pytest.raises(TypeError):
        c.get_parent(3)


def test_main_started_active(c):
    g = greenlet(lambda: getcurrent().parent.switch())
    assert c.state(g) == (0, 0, 0)
    g.switch()
    assert c.state(g) == (0, 1, 1)
    g.switch()
    assert c.state(g) == (0, 1, 0)
    main = getcurrent()
    while main.parent:
        main = main.parent
    assert c.state(main) == (1, 1, 1)
    for wrong in (3, None):
        with pytest.raises(TypeError):
            c.state(wrong)


# ---- beyond the table ------------------------------------------------------


def test_a_subclass_in_c(c):
    class Thing:
        pass

    thing = Thing()
    ref = weakref.ref(thing)
    g = c.Sub(lambda: getcurrent().parent.switch("waits"), thing)
    assert g.extra is thing and g.switch() == "waits"
    g.me = g
    thing.g = g
    del g, thing
    gc.collect()
    if sys.version_info < (3, 14):
        assert ref() is None


def test_c_frames_survive_switches(c):
    def run(levels):
        return c.switch_deep(main, levels)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(20)]
    for i, g in enumerate(gs):
        assert g.switch(i) == ()
    for i, g in enumerate(gs):
        assert g.switch(i) == i and g.dead


def test_what_the_collector_has_cleared(c):
    """Its ancestors are gone: it can be no parent, and not be switched to."""
    middle = greenlet(lambda: None)
    g = greenlet(lambda: None, middle)
    assert c.clear(middle) == 0
    with pytest.raises(error, match="cannot switch to a garbage collected greenlet"):
        g.switch()
    with pytest.raises(error, match="cannot switch to a garbage collected greenlet"):
        g.throw(KeyError)
    with pytest.raises(ValueError, match="parent must not be garbage collected"):
        greenlet(lambda: None).parent = g


def test_an_active_one_is_never_cleared(c):
    g = suspended(lambda: getcurrent().parent.switch(1))
    c.clear(g)
    assert g.parent is getcurrent()
    g.switch()
    assert g.dead


def test_the_header_beside_the_module():
    """Where programs look for it: by greenlet.__file__."""
    header = Path(grove._greenlet.__file__).parent / "greenlet.h"
    assert header.read_text() == (COMPAT / "greenlet" / "greenlet.h").read_text()


@pytest.mark.parametrize(
    "options", [["cc", "-std=c99", "-x", "c"], ["c++", "-std=c++11", "-x", "c++"]]
)
def test_the_header_alone(options):
    subprocess.run(
        [*options, "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
        + ["-Wno-unused-variable", f"-isystem{sysconfig.get_path('include')}"]
        + [f"-I{COMPAT}", "-"],
        input="#include <greenlet/greenlet.h>\n",
        text=True,
        check=True,
    )


# ---- C++ -------------------------------------------------------------------


def test_exceptions_thrown_after_a_switch(cxx):
    def run():
        return cxx.around(main.switch)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3)]
    for g in gs:
        g.switch()
    assert cxx.alive() == 3
    assert [g.switch() for g in gs] == ["thrown after the switch"] * 3
    assert cxx.alive() == 0


def test_an_exception_of_python_unwinds_cxx_frames(cxx):
    def run():
        return cxx.around(main.switch)

    main = getcurrent()
    g, killed = greenlet(run), greenlet(run)
    g.switch()
    killed.switch()
    with pytest.raises(KeyError):
        g.throw(KeyError)
    del killed
    assert cxx.alive() == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_interleaved_catch_blocks(cxx, order):
    def run(n):
        return cxx.rethrow(n, main.switch)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3)]
    for n, g in enumerate(gs):
        g.switch(n)
    assert cxx.uncaught_exceptions() == (0, 0)  # they are the greenlets'
    assert [gs[n].switch() for n in order] == list(order)


def test_interleaved_catch_blocks_with_the_c_api(cxx):
    main = getcurrent()
    gs = [greenlet(cxx.rethrow_switch) for _ in range(3)]
    for n, g in enumerate(gs):
        g.switch(n, main)
    assert [g.switch() for g in gs] == [0, 1, 2]


def test_a_catch_block_of_the_starter(cxx):
    def inside():
        g = greenlet(lambda: cxx.rethrow(2, main.switch))
        g.switch()
        gs.append(g)

    main, gs = getcurrent(), []
    assert cxx.rethrow(1, inside) == 1
    assert gs[0].switch() == 2


def test_a_destructor_that_switches(cxx):
    def run():
        return cxx.unwind(main.switch)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3)]
    for g in gs:
        g.switch()
    assert cxx.uncaught_exceptions() == (0, 0)
    assert [g.switch() for g in gs] == [0, 0, 0]


def test_a_catch_block_dies_with_its_greenlet(cxx):
    def run(n):
        return cxx.rethrow(n, main.switch)

    main = getcurrent()
    gs = [greenlet(run) for _ in range(3)]
    for n, g in enumerate(gs):
        g.switch(n)
    with pytest.raises(KeyError):
        gs[0].throw(KeyError)
    del gs[0], g
    gc.collect()
    assert cxx.uncaught_exceptions() == (0, 0)
    assert gs[1].switch() == 2


def test_a_cxx_runtime_that_is_loaded_late(cxx):
    """The first C++ there is comes when stacks have been used already."""
    source = PREAMBLE + """
from greenlet import getcurrent, greenlet
gs = [greenlet(lambda: main.switch()) for _ in range(3)]
main = getcurrent()
for g in gs + gs:
    g.switch()
del gs, g
import greenlet_cxx
assert "libstdc++" in open("/proc/self/maps").read()
gs = [greenlet(lambda n: greenlet_cxx.rethrow(n, main.switch)) for _ in range(3)]
for n, g in enumerate(gs):
    g.switch(n)
print([g.switch() for g in gs])
"""
    path = [str(PYTHON_TREE), str(Path(cxx.__file__).parent)]
    result = subprocess.run(
        [sys.executable, "-c", source.format(path=path)],
        capture_output=True,
        text=True,
    )
    assert result.stdout == "[0, 1, 2]\n", result.stderr


def test_an_exception_that_nobody_catches(cxx):
    source = PREAMBLE + """
import greenlet_cxx
from greenlet import greenlet
greenlet(greenlet_cxx.escape).switch()
"""
    path = [str(PYTHON_TREE), str(Path(cxx.__file__).parent)]
    result = subprocess.run(
        [sys.executable, "-c", source.format(path=path)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == -6
    assert "terminate called after throwing" in result.stderr
    assert "nobody catches this" in result.stderr
