"""The sources are laid out by clang-format, and the header is plain C and C++."""

import subprocess

import pytest

from build_tree import ROOT

HEADER = ROOT / "include" / "grove.h"


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
def test_header_stands_alone(compiler: list[str]):
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    subprocess.check_call([*compiler, *flags, HEADER])
