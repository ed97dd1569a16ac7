"""docs/programs.md says what is tested: each row has its test, each test a row, and
the versions are those of the packages."""

import ast
import re
import subprocess
from dataclasses import dataclass

import pytest

from build_tree import ROOT

TESTS = ROOT / "tests" / "programs"
#: What others bring: requests, and Python itself.
BROUGHT = {"python3-urllib3", "libpython3.11-stdlib"}


@dataclass
class Row:
    """A row of the document: what it names."""

    packages: list[tuple[str, str]]  # name, version
    test: str  # file::function


def rows() -> list[Row]:
    found = []
    for line in (ROOT / "docs" / "programs.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[-1].startswith("`"):
            packages = [tuple(name.split()) for name in cells[1].split(", ")]
            found.append(Row(packages, cells[-1].strip("`")))
    return found


def functions_of_tests() -> set[str]:
    """All tests of programs, as file::function."""
    return {
        f"{path.name}::{function.name}"
        for path in TESTS.glob("test_*.py")
        for function in ast.parse(path.read_text()).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
    }


def test_each_row_has_its_test_and_each_test_a_row():
    assert {row.test for row in rows()} == functions_of_tests()


def test_programs_are_started_by_tests():
    started = "".join(path.read_text() for path in TESTS.glob("test_*.py"))
    for program in (TESTS / "driven").glob("*.py"):
        others = TESTS.glob("driven/*.py")
        imported = any(
            re.search(rf"^from {program.stem} import", other.read_text(), re.M)
            for other in others
        )
        assert imported or program.stem in started, f"{program.name} is never run"


def test_packages_are_installed_by_setup():
    listed = subprocess.check_output(
        [ROOT / "tools" / "setup", "--list", "check", "programs"], text=True
    ).split()
    named = {name for row in rows() for name, _ in row.packages}
    assert named <= {*listed, *BROUGHT}


def test_versions_are_those_installed():
    release = (
        subprocess.run(
            [". /etc/os-release; echo $VERSION_CODENAME"],
            shell=True,
            capture_output=True,
            text=True,
        )
    ).stdout.strip()
    if release != "bookworm":
        pytest.skip(f"the versions are Debian 12's, and this is {release}")
    named = dict(package for row in rows() for package in row.packages)
    installed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *named],
        capture_output=True,
        text=True,
    ).stdout
    for package, version in (line.split(" ", 1) for line in installed.splitlines()):
        upstream = re.sub(r"^\d+:|[+-].*$", "", version)
        assert not upstream or f"{upstream}.".startswith(f"{named[package]}."), package
