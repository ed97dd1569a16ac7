"""The libraries' ABI: what they export is what debian/*.symbols say they do.

A program that was linked with an earlier version of the same soname asks for the
symbols that were there then. One that is gone is a break; a new one has to be
written down, with the version it came with.
"""

import re
import subprocess
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

SYMBOLS = sorted((ROOT / "debian").glob("*.symbols"))
PRIVATE = "GROVE_PRIVATE"  # for libraries of the same build alone


def written_down(path: Path) -> tuple[str, dict[str, str]]:
    """The soname, and the public symbols with the version each came with."""
    lines = path.read_text().splitlines()
    symbols = (re.fullmatch(r" (\w+@\w+) ([\d.]+)", line) for line in lines)
    return lines[0].split()[0], {found[1]: found[2] for found in symbols if found}


def exported(library: Path) -> set[str]:
    """The public symbols of a library, with their version nodes."""
    listing = subprocess.check_output(
        ["nm", "-D", "--defined-only", "--with-symbol-versions", library], text=True
    )
    names = (line.split()[-1].partition("@") for line in listing.splitlines())
    symbols = {f"{name}@{node.lstrip('@') or name}" for name, _, node in names}
    return {symbol for symbol in symbols if not symbol.endswith(f"@{PRIVATE}")}


def test_every_library_has_a_file():
    built = {path.name for path in (BUILD / "src").glob("lib*.so.0")}
    assert {written_down(path)[0] for path in SYMBOLS} == built


@pytest.mark.parametrize("path", SYMBOLS, ids=lambda path: path.stem)
def test_no_symbol_is_gone(path: Path):
    soname, symbols = written_down(path)
    assert symbols
    gone = sorted(symbols.keys() - exported(BUILD / "src" / soname))
    assert gone == [], "a break of the ABI: programs that are linked already want these"


@pytest.mark.parametrize("path", SYMBOLS, ids=lambda path: path.stem)
def test_every_symbol_is_written_down(path: Path):
    soname, symbols = written_down(path)
    new = sorted(exported(BUILD / "src" / soname) - symbols.keys())
    assert new == [], f"to be added to debian/{path.name}, with the version to come"


def test_what_is_gone_is_seen(tmp_path: Path):
    """A library without one of them, of which the rest is as it should be."""
    soname, symbols = written_down(ROOT / "debian/libgrove-patch0.symbols")
    functions = sorted(s.partition("@")[0] for s in symbols if s.startswith("grove_"))
    source, library = tmp_path / "library.c", tmp_path / soname
    source.write_text("".join(f"void {name}(void) {{}}\n" for name in functions[1:]))
    script = ROOT / "src/grove_patch.map"
    subprocess.check_call(
        ["cc", "-shared", "-fPIC", f"-Wl,--version-script={script}"]
        + [source, "-o", library]
    )
    assert symbols.keys() - exported(library) == {f"{functions[0]}@GROVE_PATCH_0"}
    assert exported(library) <= symbols.keys()
