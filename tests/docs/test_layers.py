"""The layers of src/ include and call downward only, and files go in no circles.

Who calls whom is told by the symbols of the objects, so that calls made through
inline functions count as well.
"""

import re
import subprocess
from functools import cache

import pytest

from build_tree import BUILD, ROOT

SRC = ROOT / "src"

#: From the lowest up; those of one row may use each other.
LAYERS = [["fiber"], ["loop", "metrics", "trace", "frames"], ["hub"], ["sync"], ["net", "os"], ["stream"], ["tls"], ["http", "patch"]]
HEIGHT = {name: height for height, row in enumerate(LAYERS) for name in row}

#: Files that may need each other to be understood: no more than one can read.
LARGEST_CIRCLE = 4


def layer_of(file: str) -> str:
    return file.split("/")[0]


def includes() -> list[tuple[str, str]]:
    """Of each source: itself and what it includes, relative to src/."""
    return [
        (str(path.relative_to(SRC)), included)
        for path in sorted(SRC.rglob("*.[ch]"))
        for included in re.findall(r'^#include "(.+)"', path.read_text(), re.M)
    ]


def test_every_folder_is_a_layer():
    folders = {path.name for path in SRC.iterdir() if list(path.glob("*.c"))}
    assert folders <= set(HEIGHT), "a new layer: where does it stand?"


def test_includes_go_down():
    up = [
        f"{file} includes {included}"
        for file, included in includes()
        if layer_of(file) in HEIGHT
        and HEIGHT.get(layer_of(included), -1) > HEIGHT[layer_of(file)]
    ]
    assert not up


# ---- by symbols ---------------------------------------------------------------


def object_directory():
    (directory,) = BUILD.glob("src/libgrove.a.p")
    return directory


@cache
def calls() -> dict[str, set[str]]:
    """Of each source, without its suffix: those whose symbols its object uses."""
    defined: dict[str, str] = {}
    used: dict[str, set[str]] = {}
    for path in sorted(SRC.glob("*/*.c")):
        name = str(path.relative_to(SRC).with_suffix(""))
        objects = object_directory() / f"{name.replace('/', '_')}.c.o"
        if not objects.exists():  # of another library, or left out of this build
            continue
        table = subprocess.check_output(["nm", objects], text=True)
        used[name] = set()
        for *_, kind, symbol in (line.split() for line in table.splitlines()):
            if kind == "U":
                used[name].add(symbol)
            elif kind.isupper():
                defined[symbol] = name
    return {
        name: {defined[symbol] for symbol in symbols if symbol in defined} - {name}
        for name, symbols in used.items()
    }


def reached_from(name: str, graph: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    todo = [name]
    while todo:
        new = graph[todo.pop()] - reached
        reached |= new
        todo += new
    return reached


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    reached = {name: reached_from(name, graph) for name in graph}
    return {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in graph
        if name in reached[name]
    }


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}
    assert circles(graph) == {frozenset("abc")}


def test_the_build_has_all_files_of_the_inner_layers():
    """So that the tests below do look at them."""
    for layer in ["loop", "metrics", "trace", "frames", "hub", "sync"]:
        files = {f"{layer}/{path.stem}" for path in (SRC / layer).glob("*.c")}
        assert files <= set(calls())


def test_calls_go_down():
    up = [
        f"{name} uses {used}"
        for name in calls()
        for used in calls()[name]
        if HEIGHT[layer_of(used)] > HEIGHT[layer_of(name)]
    ]
    assert not up


@pytest.mark.parametrize("layer", ["fiber", "loop", "metrics", "trace", "frames", "hub", "sync", "net", "os", "stream"])
def test_circles_are_small(layer: str):
    graph = {
        name: {used for used in calls()[name] if layer_of(used) == layer}
        for name in calls()
        if layer_of(name) == layer
    }
    large = [sorted(circle) for circle in circles(graph) if len(circle) > LARGEST_CIRCLE]
    assert not large


# ---- src/hub/README.md -----------------------------------------------------------


def hub_rows() -> list[list[str]]:
    """The rows of the README's table of files, from the top down."""
    text = (SRC / "hub" / "README.md").read_text()
    table = text.split("| row | files |")[1].split("\n\n")[0]
    return [line.split("|")[2].replace(" ", "").split(",") for line in table.splitlines()[2:]]


def test_the_hubs_readme_lists_every_file_once():
    listed = sorted(name for row in hub_rows() for name in row)
    assert listed == sorted(path.stem for path in (SRC / "hub").glob("*.c"))


def test_the_hubs_files_call_downward():
    row_of = {f"hub/{name}": i for i, row in enumerate(hub_rows()) for name in row}
    graph = {name: calls()[name] & set(row_of) for name in row_of}
    up = [
        f"{name} uses {used}"
        for name in graph
        for used in graph[name]
        if row_of[used] < row_of[name]
    ]
    assert not up
    assert not circles(graph)
