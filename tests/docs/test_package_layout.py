"""The Python package is laid out as its README draws it."""

import ast
import re
from pathlib import Path

import pytest

from build_tree import ROOT

PACKAGE = ROOT / "python" / "grove"
#: The rooms that programs import: their own files show names of what is in them.
IMPORTED = {"resolver"}
FILES = sorted(PACKAGE.rglob("*.py"))


def drawing() -> tuple[list[str], list[str]]:
    """All that the README draws, in reading order; those right of the bar."""
    block = re.search(r"```\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
    assert block
    everything, rooms = [], []
    for line in block[1].splitlines():
        modules, bar, folders = line.partition("|")
        assert bar, line
        rooms += folders.split()
        everything += modules.split() + folders.split()
    return everything, rooms


def place(module: str) -> str:
    """What stands in the drawing for a module: "__init__" for grove itself."""
    return (module.split(".") + ["__init__"])[1]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """The package's modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            # from grove import socket is of grove.socket, not of grove.
            found |= {
                name if (name := f"{node.module}.{alias.name}") in MODULES
                # The extension is no file of the sources.
                or name == "grove._core" else node.module
                for alias in node.names
            }
    return {name for name in found if name.split(".")[0] == "grove"}


def test_everything_is_drawn_once():
    everything, rooms = drawing()
    assert len(everything) == len(set(everything))
    there = {path.stem for path in PACKAGE.glob("*.py")}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders -= {"__pycache__"}
    assert set(everything) == there | folders | {"_core"}
    assert set(rooms) == folders | {"_core"}


def test_no_private_module_beside_the_public_ones():
    names = [path.name for path in PACKAGE.glob("*.py*")]
    # The extension is built there, and its stub has its name.
    assert [n for n in names if re.match(r"_[^_]", n)] == ["_core.pyi"]


@pytest.mark.parametrize("name", MODULES)
def test_arrows_go_down(name: str):
    everything, _ = drawing()
    here = everything.index(place(name) if name != "grove" else "__init__")
    upwards = [
        other
        for other in imports(MODULES[name])
        if everything.index(place(other)) < here
    ]
    assert upwards == []


def test_no_circles():
    """Nor within a room, where the drawing says nothing."""
    arrows = {name: imports(path) & set(MODULES) for name, path in MODULES.items()}
    # Whoever imports a file of a room has its __init__.py run, which imports none.
    while arrows:
        ends = [name for name, others in arrows.items() if not others & set(arrows)]
        assert ends, f"a circle among {sorted(arrows)}"
        for name in ends:
            del arrows[name]


@pytest.mark.parametrize(
    "room", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
)
def test_a_room_says_what_it_holds(room: str):
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text())
    text = ast.get_docstring(tree) or ""
    if room.startswith("_"):
        return  # a module of greenlet's
    if room in IMPORTED:
        names = [node for node in tree.body[1:] if not isinstance(node, ast.ImportFrom)]
        assert [ast.unparse(node.targets[0]) for node in names] == ["__all__"]
    else:
        assert len(tree.body) == 1, "a room's own file does nothing"
    files = {path.name for path in (PACKAGE / room).glob("*.py")} - {"__init__.py"}
    listed = set(re.findall(r"^    (\w+\.py) ", text, re.M))
    assert listed == files
    assert re.search(r"^For ", text, re.M), "whom it is for"
