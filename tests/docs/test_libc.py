"""docs/libc.md and the programs that try patched calls follow src/patch/rows.h."""

import ctypes
import re
import subprocess

from build_tree import ROOT


PATCH = ROOT / "src" / "patch"


def patched_symbols() -> set[str]:
    rows = (PATCH / "rows.h").read_text()
    return {
        symbol
        for symbol, function in re.findall(r"(?:ROW|THREAD)\((\w+),\s*(\w+),", rows)
        if function != "NULL"
    }


def symbols_of_threads() -> set[str]:
    return set(re.findall(r"THREAD\((\w+),", (PATCH / "rows.h").read_text())) - {"the"}


def aliases() -> list[tuple[str, str]]:
    """Another name, and the one of THREAD that it stands for."""
    text = (PATCH / "rows.h").read_text()
    return re.findall(r"^ALIAS\((\w+),\s*(\w+),", text, re.M)


def tried_symbols() -> set[str]:
    """Those that the tests of patched calls name; each is checked to be patched."""
    tried: set[str] = set()
    for path in (ROOT / "tests" / "unit").glob("test_patch_*.c"):
        for strings in re.findall(r'PROGRAM\(((?:\s*"[^"]*")+),', path.read_text()):
            tried.update("".join(re.findall(r'"([^"]*)"', strings)).split())
    return tried


def test_the_page_is_up_to_date():
    command = [ROOT / "tools" / "libc-table", "--check"]
    assert subprocess.run(command).returncode == 0, "tools/libc-table writes it"


def test_no_symbol_stands_twice():
    """The first alone would count."""
    symbols = re.findall(r"^(?:ROW|THREAD|ALIAS)\((\w+),", (PATCH / "rows.h").read_text(), re.M)
    assert len(symbols) > 200
    assert sorted(symbols) == sorted(set(symbols))


def test_aliases_are_the_same_functions():
    libc = ctypes.CDLL(None)

    def address(symbol: str) -> int | None:
        return ctypes.cast(getattr(libc, symbol), ctypes.c_void_p).value

    assert aliases()
    for alias, symbol in aliases():
        assert symbol in symbols_of_threads()
        assert address(alias) == address(symbol)


def test_every_patched_symbol_is_tried():
    assert patched_symbols() - tried_symbols() == set()


def test_only_patched_symbols_are_tried():
    assert tried_symbols() - patched_symbols() == set()


def test_all_functions_of_threads_are_in_the_table():
    listed = (PATCH / "threads" / "threads.h").read_text()
    assert set(re.findall(r"^    F\(\w+, (\w+),", listed, re.M)) == symbols_of_threads()


def test_every_function_of_threads_is_tried():
    tried: set[str] = set()
    for path in (ROOT / "tests" / "unit").glob("test_threads_*.c"):
        tried.update(re.findall(r"CALL\((\w+)\)", path.read_text()))
    assert symbols_of_threads() - tried == set()
