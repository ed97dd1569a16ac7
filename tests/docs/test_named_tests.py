"""Each difference and each promise that the documents tell of has its test."""

import ast
import re
from functools import cache

import pytest

from build_tree import ROOT

TESTS = ROOT / "tests" / "python"
FOLDERS = ["python", "e2e", "unit", "docs", "packages", "tools"]


@cache
def functions(file: str) -> set[str]:
    """Those of a file of tests, classes' too; of one in C, those that it defines."""
    path = next(
        path for folder in FOLDERS if (path := ROOT / "tests" / folder / file).exists()
    )
    if path.suffix == ".c":
        return set(re.findall(r"^(?:static )?void (\w+)\(", path.read_text(), re.M))
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def rows(document: str) -> list[tuple[str, list[str]]]:
    """Of each row of a table whose last column is of tests: what it is about, and the
    names in that column."""
    found, is_table = [], False
    for line in (ROOT / "docs" / document).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            is_table = False
        elif cells[-1].strip(" |") == "test":
            is_table = True
        elif is_table and not line.startswith("|---"):
            found.append((cells[0], re.findall(r"`([^`]+)`", cells[-1])))
    return found


def differences(document: str) -> list[tuple[str, str]]:
    """Of each row of a table of differences to gevent: what it is about, and why."""
    found: list[tuple[str, str]] = []
    columns: list[str] = []
    for line in (ROOT / "docs" / document).read_text().splitlines():
        cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split(" | ")]
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = cells
            is_one = "here" in cells and any(cell.startswith("gevent") for cell in cells)
            assert not is_one or "why" in cells, f"{document}: {line}"
        elif "why" in columns and not line.startswith("|---"):
            assert len(cells) == len(columns), line
            found.append((cells[0], cells[columns.index("why")]))
    return found


DIFFERENCES = [*differences("from-gevent.md"), *differences("serving.md")]

ROWS = [*rows("from-gevent.md"), *rows("serving.md"), *rows("security.md")]


def test_there_are_many():
    assert len(ROWS) > 50 and len(DIFFERENCES) > 30


@pytest.mark.parametrize("about, why", DIFFERENCES, ids=[about for about, _ in DIFFERENCES])
def test_a_difference_has_a_reason(about: str, why: str):
    assert len(why.split()) > 1 or why == "the same", about


@pytest.mark.parametrize("about, names", ROWS, ids=[names[0] for _, names in ROWS])
def test_a_row_has_a_test(about: str, names: list[str]):
    assert names
    for name in names:
        file, _, function = name.rpartition("::")
        assert function in functions(file or "differences.py"), name


def test_what_both_are_asked_is_told_of():
    table = ast.parse((TESTS / "test_differences.py").read_text())
    known = next(
        ast.literal_eval(node.value)
        for node in table.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "DIFFERENCES"
    )
    named = {name for _, names in ROWS for name in names if "::" not in name}
    assert named == set(known)
