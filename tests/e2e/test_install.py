"""What `make install PREFIX=...` puts there can be built against and run."""

import os
import re
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


def make_install(
    build: Path, prefix: Path, destdir: str = "", target: str = "install"
) -> str:
    """What a user types, with a build of its own, so that build/ stays as it is.

    It returns what was printed.
    """
    return subprocess.check_output(
        ["make", "-C", ROOT, target, f"BUILD={build}", f"PREFIX={prefix}"]
        + [f"DESTDIR={destdir}", "SETUP=no"],
        env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "PYTHON")},
        text=True,
    )


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("install") / "build"


@pytest.fixture(scope="module")
def prefix(build: Path) -> Path:
    make_install(build, build.parent / "prefix")
    return build.parent / "prefix"


def test_everything_is_there(prefix: Path):
    # Where the loader and pkg-config look below /usr/local and /usr.
    libdir = prefix / "lib"
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
        libdir / "libgrove-http.so",
        libdir / "libgrove-http.a",
        libdir / "pkgconfig/grove-http.pc",
        libdir / "libgrove-patch.so",
        libdir / "libgrove-patch.a",
        libdir / "pkgconfig/grove-patch.pc",
    ]
    assert [path for path in wanted if not path.exists()] == []


def test_only_public_names_are_exported_by_default_version(prefix: Path):
    library = prefix / "lib/libgrove.so.0"
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
    libdir = prefix / "lib"
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


#: Where a line that builds a program is shown, as it is, and what it builds.
LINES = {
    "man/manual/overview.txt": (r"^    (cc prog\.c .*)$", "examples/guide/step01_fiber.c"),
    "docs/c-guide.md": (r"^```sh\n(cc .*)\n```$", "examples/guide/step01_fiber.c"),
}


@pytest.mark.parametrize("document", LINES)
def test_a_line_that_is_shown_builds_a_program(prefix: Path, tmp_path: Path, document: str):
    pattern, source = LINES[document]
    [line] = re.findall(pattern, (ROOT / document).read_text(), re.M)
    (tmp_path / line.split()[1]).symlink_to(ROOT / source)
    environment = {
        **os.environ,
        "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig"),
        "LD_LIBRARY_PATH": str(prefix / "lib"),
    }
    subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, check=True)
    subprocess.run([tmp_path / "a.out"], env=environment, check=True, timeout=60)


def needed(binary: Path) -> str:
    return subprocess.check_output(["readelf", "-d", binary], text=True)


def test_only_programs_with_tls_load_openssl(prefix: Path, tmp_path: Path):
    libdir = prefix / "lib"
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


HTTP_PROGRAM = """
#include <grove.h>
#include <stdio.h>
int main(void)
{
    grove_http_url url;
    if (grove_http_url_parse(&url, "http://a.test/") < 0)
        return 1;
    puts(url.host);
}
"""


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
def test_only_programs_with_http_have_llhttp(
    prefix: Path, tmp_path: Path, static: bool
):
    libdir = prefix / "lib"
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libdir / "pkgconfig")}
    command = ["pkg-config", "--cflags", "--libs", *(["--static"] if static else [])]
    flags = subprocess.check_output(
        [*command, "grove-http"], text=True, env=environment
    ).split()
    if static:
        flags = [
            str(libdir / f"lib{f[2:]}.a") if f.startswith("-lgrove") else f
            for f in flags
        ]
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(HTTP_PROGRAM)
    subprocess.check_call(["cc", source, "-o", program, *flags])
    output = subprocess.check_output(
        [program], text=True, env={**environment, "LD_LIBRARY_PATH": str(libdir)}
    )
    assert output == "a.test\n"
    symbols = subprocess.check_output(["nm", libdir / "libgrove.so"], text=True)
    assert "llhttp" not in symbols
    assert "libssl" not in needed(libdir / "libgrove-http.so")


def test_destdir_comes_before_the_prefix(prefix: Path, build: Path, tmp_path: Path):
    make_install(build, Path("/opt/grove"), str(tmp_path))
    there = tmp_path / "opt/grove"
    assert (there / "bin/grove").exists()
    assert "prefix=/opt/grove\n" in (there / "lib/pkgconfig/grove.pc").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["opt"]


def test_what_was_installed_is_removed_and_nothing_else(build: Path, tmp_path: Path):
    """Installed twice, so that its folders were there."""
    prefix, others = Path("/a b/prefix"), tmp_path / "a b/prefix/lib/theirs.so"
    make_install(build, prefix, str(tmp_path))
    others.touch()
    make_install(build, prefix, str(tmp_path))
    make_install(build, prefix, str(tmp_path), "uninstall")
    assert sorted((tmp_path / "a b/prefix").rglob("*")) == [others.parent, others]


def test_where_it_is_can_be_told_to_a_shell(build: Path, tmp_path: Path):
    printed = make_install(build, tmp_path / "a b")
    (export,) = [line for line in printed.splitlines() if "export " in line]
    script = f"{export}; pkg-config --variable=prefix grove"
    told = subprocess.check_output(["sh", "-c", script], text=True)
    assert told.strip().replace("\\", "") == str(tmp_path / "a b")
