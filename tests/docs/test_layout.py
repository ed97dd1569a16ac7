"""The sources are laid out by clang-format, and the headers are plain C and C++."""

import subprocess
from pathlib import Path

import pytest

from build_tree import ROOT

HEADERS = [ROOT / "include" / "grove.h", *(ROOT / "include" / "grove").glob("*.h")]


def test_clang_format_changes_nothing():
    check = subprocess.run(
        [ROOT / "tools" / "format", "--check"], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize(
    "compiler",
    [
        ["cc", "-std=c11", "-D_DEFAULT_SOURCE", "-xc"],
        ["c++", "-std=c++11", "-xc++"],
    ],
    ids=["c11", "c++11"],
)
@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_header_stands_alone(compiler: list[str], header: Path):
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    include = f"-I{ROOT / 'include'}"
    subprocess.check_call([*compiler, *flags, include, header])
