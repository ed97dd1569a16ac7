"""The C sources of the Python package stand in rooms, and the arrows go one way.

What includes what is read from the sources; what calls what, from the object
files of the build: an undefined symbol of one that is a function of another.
Data is left out, as types and exceptions refer to each other in circles by
nature.
"""

import re
import subprocess
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

SOURCES = ROOT / "python" / "src"
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)

# From the bottom up: each may use those before it.
ROOMS = [
    "base",
    "interp",
    "raw",
    "libc",
    "hub_object",
    "watchers",
    "timeout",
    "greenlet",
    "linkable",
    "queue",
    "sockets",
    "wsgi",
]
# Rooms beside each other, none of which may use the others.
BESIDE = [{"base", "interp"}, {"watchers", "timeout"}, {"greenlet", "linkable"}]
# These have nothing to add to the module.
WITHOUT_INIT = {"base", "interp"}
LARGEST_CIRCLE = 4

FILES = sorted(p.relative_to(SOURCES) for p in SOURCES.glob("*/*.[ch]"))


def includes(path: Path) -> list[Path]:
    """The headers of rooms that a file includes."""
    named = INCLUDE.findall((SOURCES / path).read_text())
    return [Path(name) for name in named if (SOURCES / name).exists()]


def may_use(room: str, other: str) -> bool:
    if room == other:
        return True
    if any({room, other} <= beside for beside in BESIDE):
        return False
    return ROOMS.index(other) < ROOMS.index(room)


def functions() -> tuple[dict[str, Path], dict[Path, set[str]]]:
    """Who defines each function that others can call; what each file needs."""
    defined: dict[str, Path] = {}
    needed: dict[Path, set[str]] = {}
    tree = next((BUILD / "python" / "grove").glob("_core.*.p"))
    for path in [*FILES, Path("module.c")]:
        if path.suffix != ".c":
            continue
        name = str(path).replace("/", "_") + ".o"
        [compiled] = [o for o in tree.iterdir() if o.name.endswith("src_" + name)]
        listing = subprocess.check_output(["nm", compiled], text=True)
        needed[path] = set()
        for *_, kind, symbol in map(str.split, listing.splitlines()):
            if kind == "T":
                defined[symbol] = path
            elif kind == "U":
                needed[path].add(symbol)
    return defined, needed


@pytest.fixture(scope="module")
def calls() -> dict[Path, set[Path]]:
    """Which files each file calls functions of."""
    defined, needed = functions()
    return {
        path: {defined[s] for s in symbols if s in defined} - {path}
        for path, symbols in needed.items()
    }


def circle_of(start: Path, graph: dict[Path, set[Path]]) -> set[Path]:
    """The files that can be reached from start, and lead back to it."""

    def reached(first: Path) -> set[Path]:
        seen: set[Path] = set()
        ahead = [first]
        while ahead:
            for following in graph[ahead.pop()] - seen:
                seen.add(following)
                ahead.append(following)
        return seen

    return {path for path in reached(start) if start in reached(path)}


def test_every_folder_is_a_room():
    assert {path.parts[0] for path in FILES} == set(ROOMS)
    assert {p.name for p in SOURCES.glob("*.[ch]")} == {"module.c"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_includes_go_down_and_through_the_rooms_one_header(path: Path):
    room = path.parts[0]
    for header in includes(path):
        other = header.parts[0]
        assert may_use(room, other), f"{path} includes {header}, which is above it"
        own = header.name == f"{other}.h"
        assert own or room == other, f"{path} includes {header}, private to {other}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_header_offers_its_init(room: str):
    header = (SOURCES / room / f"{room}.h").read_text()
    declared = f"int {room}_init(PyObject *module);" in header
    assert declared == (room not in WITHOUT_INIT)


def test_only_the_module_knows_all_rooms():
    known = {header.parts[0] for header in includes(Path("module.c"))}
    assert known == set(ROOMS) - WITHOUT_INIT
    for path in FILES:
        text = (SOURCES / path).read_text()
        others = [r for r in ROOMS if r != path.parts[0] and f"{r}_init(" in text]
        assert others == [], f"{path} initialises {others}"


def test_versions_of_cpython_differ_in_one_room():
    asking = {
        path.parts[0]
        for path in FILES
        if "PY_VERSION_HEX" in (SOURCES / path).read_text()
    }
    assert asking == {"interp"}


def test_calls_go_down(calls: dict[Path, set[Path]]):
    up = [
        f"{path} calls {other}"
        for path, others in calls.items()
        for other in others
        if path != Path("module.c") and not may_use(path.parts[0], other.parts[0])
    ]
    assert up == []


def test_no_circle_of_more_than_four_files(calls: dict[Path, set[Path]]):
    circles = {frozenset(circle_of(path, calls)) for path in calls}
    large = [sorted(map(str, c)) for c in circles if len(c) > LARGEST_CIRCLE]
    assert large == []


def test_the_readme_draws_every_room():
    text = (SOURCES / "README.md").read_text()
    assert [room for room in ROOMS if f"`{room}/{room}.h`" not in text] == []
