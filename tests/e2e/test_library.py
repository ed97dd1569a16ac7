"""What the libraries show of themselves to the linker and the loader."""

import re
import subprocess
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

LIBRARY = BUILD / "src" / "libgrove.so.0"
TLS_LIBRARY = BUILD / "src" / "libgrove-tls.so.0"
HTTP_LIBRARY = BUILD / "src" / "libgrove-http.so.0"
PATCH_LIBRARY = BUILD / "src" / "libgrove-patch.so.0"
HEADERS = set((ROOT / "include" / "grove").glob("*.h"))
TLS_HEADERS = {ROOT / "include" / "grove" / "tls.h"}
HTTP_HEADERS = {ROOT / "include" / "grove" / "http.h"}
PATCH_HEADERS = {ROOT / "include" / "grove" / "patch.h"}


def exported(library: Path = LIBRARY) -> dict[str, str]:
    """The dynamic symbols and their versions."""
    output = subprocess.check_output(["nm", "-D", "--defined-only", library], text=True)
    return dict(re.findall(r" [A-Za-z] (\w+)@@(\w+)$", output, re.M))


@pytest.mark.parametrize(
    "library, version, headers",
    [
        (LIBRARY, "GROVE_0", HEADERS - TLS_HEADERS - HTTP_HEADERS - PATCH_HEADERS),
        (TLS_LIBRARY, "GROVE_TLS_0", TLS_HEADERS),
        (HTTP_LIBRARY, "GROVE_HTTP_0", HTTP_HEADERS),
        (PATCH_LIBRARY, "GROVE_PATCH_0", PATCH_HEADERS),
    ],
    ids=["grove", "grove-tls", "grove-http", "grove-patch"],
)
def test_public_symbols_are_the_headers(library: Path, version: str, headers: set[Path]):
    header = "\n".join(path.read_text() for path in headers)
    declared = re.findall(r"^GROVE_API\s[^;]*?\b(grove_\w+)\(", header, re.M)
    public = [name for name, v in exported(library).items() if v == version]
    assert sorted(public) == sorted(declared)


def test_the_libraries_beside_it_show_no_more():
    assert set(exported(TLS_LIBRARY).values()) == {"GROVE_TLS_0"}
    assert set(exported(HTTP_LIBRARY).values()) == {"GROVE_HTTP_0"}
    assert set(exported(PATCH_LIBRARY).values()) == {"GROVE_PATCH_0"}


def test_private_symbols_are_marked_for_hosts():
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.h"))
    for name, version in exported().items():
        if version != "GROVE_0":
            assert version == "GROVE_PRIVATE", name
            marked = rf"GROVE_HOST_API\b[^;{{]*?\b{name}\b"
            assert re.search(marked, sources), name


def test_every_symbol_has_a_version():
    output = subprocess.check_output(["nm", "-D", "--defined-only", LIBRARY], text=True)
    bare = [line for line in output.splitlines() if "@@" not in line]
    assert all(line.split()[-1] in ("GROVE_0", "GROVE_PRIVATE") for line in bare)


def test_no_shadow_stack_is_claimed():
    output = subprocess.check_output(["readelf", "-n", LIBRARY], text=True)
    assert "SHSTK" not in output


def test_no_stack_is_executable_and_nothing_is_bound_lazily():
    headers = subprocess.check_output(["readelf", "-lW", LIBRARY], text=True)
    assert re.search(r"GNU_STACK.* RW ", headers)
    dynamic = subprocess.check_output(["readelf", "-dW", LIBRARY], text=True)
    assert "NOW" in dynamic
