"""The scripts themselves: their help, their lists, what they refuse."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from build_tree import ROOT
from making.parts import usual
from making.roots import RELEASES

SCRIPTS = ["setup", "build", "check", "check-debian", "check-fresh", "bench", "demo",
           "packages", "site"]


def run(*command: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def packages(*arguments: str, **environment: str) -> list[str]:
    clean = {"CC": "", "PYTHON": "", **environment}
    return run("tools/setup", "--list", *arguments, **clean).stdout.split()


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script: str):
    help = run(ROOT / "tools" / script, "--help")
    assert help.returncode == 0 and help.stderr == ""
    assert f"tools/{script}" in help.stdout
    assert max(len(line) for line in help.stdout.splitlines()) <= 80


@pytest.mark.parametrize("script", ["embed", "libc-table", "link-python", "manpages"])
def test_what_the_build_runs_tells_how(script: str):
    help = run(ROOT / "tools" / script, "--help")
    assert help.returncode == 0 and help.stderr == ""
    assert re.search(rf"^ *{script} ", help.stdout, re.M)
    refused = run(ROOT / "tools" / script, "--nothing")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"{script}: ") and refused.stderr.count("\n") == 1


def test_make_help_names_every_target():
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1]
    told = run("make", "-s", "help").stdout
    for target in set(targets.split()) - {"all", "help"}:
        assert f"make {target} " in told


@pytest.mark.parametrize(
    "command, status, told",
    [
        (["check", "nothing"], 2, "no part 'nothing'; there are unit asan"),
        (["check", "unit", "nothing"], 2, "unit has no topic 'nothing'"),
        (["check", "unit", "timer::name"], 2, "tests that 'timer::name' asks for"),
        (["check", "debug", "event"], 2, "debug has no topic 'event'"),
        (["setup", "nothing"], 2, "no purpose 'nothing'; there are lib, build"),
        (["build", "nothing"], 2, "invalid choice: 'nothing'"),
        (["check-fresh", "sid"], 2, "no release 'sid'; there are bookworm trixie forky"),
        (["bench", "build", "nothing"], 2, "no benchmark 'nothing'"),
    ],
)
def test_what_is_not_there_is_named(command: list[str], status: int, told: str):
    refused = run(ROOT / "tools" / command[0], *command[1:])
    assert refused.returncode == status
    assert told in refused.stderr


def test_a_release_that_there_is_not():
    for release in RELEASES:
        assert run("tools/setup", "--list", RELEASE=release).returncode == 0
    refused = run("tools/setup", "--list", RELEASE="lenny")
    assert (refused.returncode, refused.stdout) == (2, "")
    told = "setup: no release 'lenny'; there are bookworm, trixie and forky\n"
    assert refused.stderr == told


@pytest.mark.parametrize("command", [["build", "lib"], ["check", "tools"]])
@pytest.mark.parametrize("place", ["{}/file", "{}/file/below", "/proc/grove/below"])
def test_where_nothing_can_be_built_is_named(tmp_path: Path, place: str, command: list[str]):
    """Not even by root, in /proc."""
    (tmp_path / "file").touch()
    refused = run(ROOT / "tools" / command[0], *command[1:], BUILD=place.format(tmp_path))
    assert refused.returncode == 1
    name = {"build": "make", "check": "check"}[command[0]]
    top = place.format(tmp_path).removesuffix("/below")
    (said,) = refused.stderr.splitlines()
    assert said.startswith(f"{name}: cannot use {top}")


def test_topics_of_a_part():
    listed = run("tools/check", "--list", "unit").stdout.split()
    assert "timer" in listed and "cxx" in listed
    listed = run("tools/check", "--list", "debug").stdout.split()
    assert "greenlet_death" in listed and "greenlet_leaks" not in listed


def test_what_is_by_hand_is_run_where_it_is_named():
    named = run("tools/check", "--list").stdout.split()
    by_hand = {"turns", "programs", "cpython", "packages"}
    assert set(named) - set(usual()) == by_hand
    assert "(by hand)" in run("tools/check", "--help").stdout.split("turns  ")[-1]


def test_a_purpose_needs_what_those_it_rests_on_need():
    lib, build, bench, check = map(packages, ("lib", "build", "bench", "check"))
    assert set(lib) < set(build) < set(bench) < set(check)
    assert packages() == list(dict.fromkeys(packages()))
    others = set()
    for purpose in ("pages", "docs", "programs", "package"):
        assert set(build) < set(packages(purpose))
        others |= set(packages(purpose))
    assert set(packages()) == set(check) | others


def test_the_build_needs_little():
    heavy = {"gcc-aarch64-linux-gnu", "mypy", "python3-gevent", "valgrind", "g++"}
    assert heavy.isdisjoint(packages("demo"))
    assert heavy < set(packages("check"))


def test_the_readme_tells_what_the_library_needs():
    told = re.search(r"no more than these packages:\n\n((?:    .*\n)+)",
                     (ROOT / "README.md").read_text())[1]
    assert told.split() == packages("lib", RELEASE="bookworm")


@pytest.mark.parametrize(
    "environment, more",
    [
        ({"CC": "ccache clang-16"}, {"clang-16", "libclang-rt-16-dev"}),
        ({"CC": "gcc-11"}, {"gcc-11", "g++-11"}),
        ({"CC": "cc"}, set()),
        ({"PYTHON": "python3.99"}, {"python3.99-dev"}),
        ({"PYTHON": "/opt/python/bin/python3.12"}, set()),
    ],
)
def test_packages_for_a_compiler_or_a_python(environment: dict, more: set):
    assert set(packages("check", **environment)) - set(packages("check")) == more


@pytest.mark.parametrize(
    "purpose",
    ["lib", "build", "demo", "bench", "check", "pages", "docs", "programs", "package"],
)
def test_what_is_missing_for_a_purpose(purpose: str, tmp_path: Path):
    """With a dpkg that knows of one package."""
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho meson installed\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    told = run("tools/setup", "--missing", purpose, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert told.stderr == ""
    assert told.stdout.split() == [p for p in packages(purpose) if p != "meson"]


def test_without_root_the_missing_packages_are_named(tmp_path: Path):
    """With a dpkg that knows of two packages, as somebody who cannot be root."""
    fakes = {
        "dpkg-query": 'printf "make installed\\ngcc installed\\nmeson config-files\\n"',
        "id": "echo 1000",
        "sudo": "exit 1",
    }
    for name, script in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    wanted = [p for p in packages("lib") if p not in ("make", "gcc")]

    refused = run("tools/setup", "lib", PATH=path, CC="", SETUP="")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].split() == [
        *["apt-get", "install", "--no-install-recommends"],
        *wanted,
    ]
    assert run("tools/setup", "lib", PATH=path, CC="", SETUP="no").returncode == 0


def test_with_nothing_missing_nobody_has_to_be_root(tmp_path: Path):
    installed = "".join(f"{package} installed\\n" for package in packages("lib"))
    fakes = {"dpkg-query": f'printf "{installed}"', "id": "echo 1000"}
    for name in ("sudo", "apt-get", "apt-cache"):
        fakes[name] = "exit 9"
    for name, script in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = run("tools/setup", "lib", PATH=path, CC="", SETUP="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


APT = """
case $* in *--assume-no*|update*) exit 0 ;; esac
fd=$(printf '%s\\n' "$@" | sed -n 's/APT::Status-Fd=//p')
eval "printf 'pmstatus:it:50.0:Configuring it\\\\n' >&$fd; exec $fd>&-"
printf 'Regenerating fonts cache... ' || exit 100
[ ! -e HERE/full ] || { echo "no space left"; exit 100; }
touch HERE/installed
"""


def make_installer(place: Path, installed: str) -> str:
    """A PATH of it, with a sudo and an apt-get that close what the true ones do:
    sudo what is above 2, and apt its status descriptor for packages' scripts."""
    fakes = {
        "dpkg-query": f'[ ! -e {place}/installed ] || printf "{installed}"',
        "id": "echo 1000",
        "sudo": 'exec 3>&- 4>&- 5>&-; [ "$1" != -n ] || shift; exec "$@"',
        "apt-cache": "exit 0",
        "apt-get": APT.replace("HERE", str(place)),
    }
    for name, script in fakes.items():
        (place / name).write_text(f"#!/bin/sh\n{script}\n")
        (place / name).chmod(0o755)
    return f"{place}:{os.environ['PATH']}"


def test_scripts_of_packages_can_print(tmp_path: Path):
    installed = "".join(f"{package} installed\\n" for package in packages("lib"))
    path = make_installer(tmp_path, installed)
    done = run("tools/setup", "lib", PATH=path, CC="", SETUP="")
    assert (done.returncode, done.stderr) == (0, "")
    assert "setup: done" in done.stdout
    assert "fonts cache" not in done.stdout


def test_why_packages_could_not_be_installed_is_told(tmp_path: Path):
    (tmp_path / "full").touch()
    refused = run("tools/setup", "lib", PATH=make_installer(tmp_path, ""), CC="", SETUP="")
    assert refused.returncode == 1
    assert "no space left" in refused.stderr
    assert "apt-get could not install them" in refused.stderr
