"""The sources are laid out by clang-format, and the headers are plain C and C++."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from build_tree import ROOT

UNIT_TESTS = sorted((ROOT / "tests" / "unit").glob("test_*.c"))
HEADERS = [ROOT / "include" / "grove.h", *(ROOT / "include" / "grove").glob("*.h")]


#: Whose layout the sources have; other versions lay out some things otherwise.
CLANG_FORMAT = 14


def test_clang_format_changes_nothing():
    told = subprocess.check_output(["clang-format", "--version"], text=True)
    version = int(re.search(r"version (\d+)", told)[1])
    if version != CLANG_FORMAT:
        pytest.skip(f"the layout is clang-format {CLANG_FORMAT}'s, and this is {version}")
    check = subprocess.run(
        [ROOT / "tools" / "format", "--check"], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("source", UNIT_TESTS, ids=lambda path: path.name)
def test_skips_say_why(source: Path):
    assert not re.search(r"\bskip\(\)", source.read_text()), "unit_skip(why) says it"


# The compilers whose users include the header; a missing one leaves the others.
STANDARDS = [
    (compiler, language, standard)
    for compilers, language, standards in (
        (("gcc", "clang"), "c", ("c99", "c11", "c17")),
        (("g++", "clang++"), "c++", ("c++11", "c++17")),
    )
    for compiler in compilers
    for standard in standards
    if shutil.which(compiler)
]


@pytest.mark.parametrize(
    "compiler, language, standard", STANDARDS, ids=lambda value: str(value)
)
@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_header_stands_alone(
    compiler: str, language: str, standard: str, header: Path
):
    """In strict C and C++, and without any feature macro of the user's."""
    subprocess.check_call(
        [compiler, f"-std={standard}", "-x", language, "-fsyntax-only"]
        + ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        + [f"-I{ROOT / 'include'}", header]
    )
