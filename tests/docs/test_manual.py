"""The manual pages: complete, clean, and their examples compile."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

PAGES = sorted((BUILD / "man").glob("*.[0-9]"))
SOURCES = [*(ROOT / "man/manual").glob("*.txt"), *(ROOT / "include/grove").glob("*.h")]
FULL_PAGES = [p for p in PAGES if not p.read_text().startswith(".so ")]


def exported_symbols() -> list[str]:
    names = ["libgrove", "libgrove-tls", "libgrove-http", "libgrove-patch"]
    libraries = [BUILD / "src" / f"{name}.so" for name in names]
    listing = subprocess.check_output(
        ["nm", "-D", "--defined-only", *libraries], text=True
    )
    return re.findall(r" [A-Z] (grove_\w+)", listing)


def write_examples(directory: Path) -> list[Path]:
    """The examples of the pages, as the generator takes them out."""
    subprocess.check_call(
        [
            ROOT / "tools" / "manpages",
            "--examples",
            directory,
            *SOURCES,
        ]
    )
    return sorted(directory.glob("*.c"))


def test_every_exported_function_has_a_page():
    pages = {page.name for page in PAGES}
    symbols = exported_symbols()
    assert symbols
    assert [s for s in symbols if f"{s}.3" not in pages] == []


def test_every_exported_function_has_a_test():
    tests = "\n".join(
        path.read_text() for path in (ROOT / "tests" / "unit").glob("test_*.c*")
    )
    tested = set(re.findall(r"\b(grove_\w+)\(", tests))
    assert [s for s in exported_symbols() if s not in tested] == []


def test_aliases_name_a_page():
    for page in PAGES:
        if page not in FULL_PAGES:
            _, section, name = re.split(r" man|/", page.read_text().strip())
            assert BUILD / "man" / name in FULL_PAGES
            assert name.endswith(f".{section}")


@pytest.mark.parametrize("page", FULL_PAGES, ids=lambda page: page.name)
def test_mandoc_finds_nothing(page: Path):
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page],
        capture_output=True,
        text=True,
    )
    assert lint.stdout + lint.stderr == ""


def test_examples_compile_and_are_laid_out(tmp_path: Path):
    examples = write_examples(tmp_path)
    assert examples
    for example in examples:
        subprocess.check_call(
            ["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
            + ["-fsyntax-only", f"-I{ROOT / 'include'}", example]
        )
        subprocess.check_call(
            ["clang-format", f"--style=file:{ROOT / '.clang-format'}"]
            + ["--dry-run", "--Werror", example]
        )


LIBRARIES = ["-lgrove", "-lgrove-tls", "-lgrove-http", "-lgrove-patch"]

#: Examples that are programs and do not end well by themselves, and why.
NOT_RUN = {
    "grove_accept4": "it serves for ever",
    "grove_connection_write_all": "it serves for ever",
    "grove_dial": "it wants a server on a port of localhost's",
    "grove_dial_tls": "it wants a server of the Internet's",
    "grove_http_serve": "it serves for ever",
    "grove_main": "it works until a signal comes",
    "grove_recv_datagrams": "it receives for ever",
    "grove_server_address": "it serves for ever",
    "grove_server_start": "it serves for ever",
    "grove_stream_new": "it serves for ever",
    "grove_tls_context_new": "it wants a certificate, and serves for ever",
}


def link(example: Path) -> Path:
    program = example.with_suffix("")
    subprocess.check_call(
        ["cc", "-std=c11", "-D_GNU_SOURCE", "-O0", f"-I{ROOT / 'include'}", example]
        + ["-o", program, f"-L{BUILD / 'src'}", f"-Wl,-rpath,{BUILD / 'src'}", *LIBRARIES]
        + ["-lssl", "-lcrypto"]
    )
    return program


def test_examples_run_to_their_end(tmp_path: Path):
    """All that are programs; the others are functions of one."""
    whole = {e.stem: e for e in write_examples(tmp_path) if "int main(" in e.read_text()}
    assert len(whole) > 80 and NOT_RUN.keys() <= whole.keys()
    here = tmp_path / "here"
    here.mkdir()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = list(pool.map(link, (whole[n] for n in whole.keys() - NOT_RUN.keys())))
    failed = []
    for program in programs:
        ran = subprocess.run(
            [program], cwd=here, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
        if ran.returncode != 0:
            failed.append((program.name, ran.returncode, ran.stderr))
    assert failed == []


def test_a_function_without_a_page_is_refused(tmp_path: Path):
    header = tmp_path / "more.h"
    header.write_text("GROVE_API int grove_unheard_of(void);\n")
    refused = subprocess.run(
        [ROOT / "tools" / "manpages", "--list", *SOURCES, header],
        capture_output=True,
        text=True,
    )
    assert refused.returncode != 0
    assert "grove_unheard_of is in the header, but has no page" in refused.stderr
