"""What docs/design.md names is in the sources."""

import re
from functools import cache
from pathlib import Path

from build_tree import ROOT

DESIGN = ROOT / "docs" / "design.md"
FOLDERS = ["bench", "include", "python", "src", "tests/unit", "tool"]
SUFFIXES = {".c", ".h", ".py", ".S"}


@cache
def sources() -> str:
    return "\n".join(
        path.read_text()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in SUFFIXES
    )


def named() -> list[str]:
    """What stands between backticks, the drawings left out."""
    text = re.sub(r"^```.*?^```", "", DESIGN.read_text(), flags=re.S | re.M)
    return re.findall(r"`([^`\n]+)`", text)


def is_there(name: str) -> bool:
    """Whether a function of that name is defined, in C or in Python."""
    # A definition in C begins its line; calls are indented.
    definition = rf"^(?:\w[^\n;=]*[ *])?{name}\(|^ *def {name}\("
    return re.search(definition, sources(), re.M) is not None


def test_functions_are_there():
    functions = [name[:-2] for name in named() if re.fullmatch(r"\w+\(\)", name)]
    assert len(functions) > 30
    assert [name for name in functions if not is_there(name)] == []


def test_files_and_folders_are_there():
    paths = [name for name in named() if re.fullmatch(r"[\w.-]+/[\w./-]*", name)]
    assert len(paths) > 20
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert [path for path in missing if path != "build/"] == []


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", DESIGN.read_text())
    assert links
    assert [link for link in links if not (DESIGN.parent / link).exists()] == []


def test_structs_and_constants_are_there():
    structs = [name for name in named() if name.startswith("struct ")]
    assert structs
    missing = [name for name in structs if f"{name} {{" not in sources()]
    constants = [name for name in named() if re.fullmatch(r"[A-Z]+_[A-Z_]+", name)]
    assert constants
    missing += [name for name in constants if f"#define {name} " not in sources()]
    assert missing == []


def test_nothing_is_named_by_a_path_outside():
    assert not re.search(r"\]\(\.\./\.\.|/work|shared/", DESIGN.read_text())


def test_layers_are_the_folders():
    drawn = set(re.findall(r"(?<!python/)src/(\w+)/", DESIGN.read_text()))
    there = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    assert drawn == there


def test_rooms_of_the_extension_are_the_folders():
    drawn = set(re.findall(r"`python/src/(\w+)/`", DESIGN.read_text()))
    sources = ROOT / "python" / "src"
    assert drawn == {path.name for path in sources.iterdir() if path.is_dir()}


def test_rooms_of_the_package_are_the_folders():
    drawn = set(re.findall(r"`python/grove/(\w+)/`", DESIGN.read_text()))
    package = Path(ROOT / "python" / "grove")
    there = {path.parent.name for path in package.glob("[a-z]*/__init__.py")}
    assert drawn == there
