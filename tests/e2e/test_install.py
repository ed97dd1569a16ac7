"""What `make install PREFIX=...` puts there can be built against and run."""

import os
import subprocess
from pathlib import Path

import pytest

from build_tree import ROOT

PROGRAM = """
#include <grove.h>
#include <stdio.h>
int main(void)
{
    puts(grove_version());
}
"""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation of a build of its own, so that build/ stays as it is."""
    work = tmp_path_factory.mktemp("install")
    build, prefix = work / "build", work / "prefix"
    options = ["python_bindings", "examples", "tests", "benchmarks"]
    subprocess.check_call(
        ["meson", "setup", build, ROOT, f"--prefix={prefix}"]
        + [f"-D{option}=false" for option in options],
        stdout=subprocess.DEVNULL,
    )
    subprocess.check_call(
        ["meson", "install", "-C", build], stdout=subprocess.DEVNULL
    )
    return prefix


def test_everything_is_there(prefix: Path):
    libdir = next(prefix.glob("lib/**/libgrove.so.0")).parent
    wanted = [
        prefix / "bin/grove",
        prefix / "include/grove.h",
        prefix / "share/man/man1/grove.1",
        prefix / "share/man/man3/grove_join_until.3",
        prefix / "share/man/man7/grove.7",
        libdir / "libgrove.so",
        libdir / "libgrove.a",
        libdir / "pkgconfig/grove.pc",
        libdir / "libgrove-tls.so",
        libdir / "libgrove-tls.a",
        libdir / "pkgconfig/grove-tls.pc",
    ]
    assert [path for path in wanted if not path.exists()] == []


def test_only_public_names_are_exported_by_default_version(prefix: Path):
    library = next(prefix.glob("lib/**/libgrove.so.0"))
    listing = subprocess.check_output(
        ["nm", "-D", "--defined-only", "--with-symbol-versions", library], text=True
    )
    for line in listing.splitlines():
        name, _, version = line.split()[2].partition("@@")
        if version == "GROVE_0":
            assert name.startswith("grove_")
        else:
            assert version == "GROVE_PRIVATE" or name.startswith("GROVE_")


def test_installed_command_runs(prefix: Path):
    assert subprocess.check_output([prefix / "bin/grove", "version"], text=True)


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
def test_program_builds_with_pkg_config(prefix: Path, tmp_path: Path, static: bool):
    libdir = next(prefix.glob("lib/**/libgrove.so.0")).parent
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libdir / "pkgconfig")}
    flags = subprocess.check_output(
        ["pkg-config", "--cflags", "--libs", *(["--static"] if static else []), "grove"],
        text=True,
        env=environment,
    ).split()
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(PROGRAM)
    if static:
        flags = [str(libdir / "libgrove.a") if f == "-lgrove" else f for f in flags]
    subprocess.check_call(["cc", source, "-o", program, *flags])
    output = subprocess.check_output(
        [program], text=True, env={**environment, "LD_LIBRARY_PATH": str(libdir)}
    )
    assert output.count(".") == 2


TLS_PROGRAM = """
#include <grove.h>
#include <stdio.h>
int main(void)
{
    grove_tls_context *context;
    if (grove_tls_context_new(&context, GROVE_TLS_CLIENT) < 0)
        return 1;
    grove_tls_context_release(context);
    puts("made");
}
"""


def needed(binary: Path) -> str:
    return subprocess.check_output(["readelf", "-d", binary], text=True)


def test_only_programs_with_tls_load_openssl(prefix: Path, tmp_path: Path):
    libdir = next(prefix.glob("lib/**/libgrove.so.0")).parent
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libdir / "pkgconfig")}
    flags = subprocess.check_output(
        ["pkg-config", "--cflags", "--libs", "grove-tls"], text=True, env=environment
    ).split()
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(TLS_PROGRAM)
    subprocess.check_call(["cc", source, "-o", program, *flags])
    output = subprocess.check_output(
        [program], text=True, env={**environment, "LD_LIBRARY_PATH": str(libdir)}
    )
    assert output == "made\n"
    assert "libssl" not in needed(libdir / "libgrove.so")
    assert "libssl" in needed(libdir / "libgrove-tls.so")
