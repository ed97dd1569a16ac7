"""Build directories: where they are, and when Meson is run for them."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from making import trees
from making.trees import ROOT, Tree, TreeError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("BUILD", "CC", "CXX", "PYTHON"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


class Commands(list):
    """Runs nothing, and keeps what it was to run; each ends with status."""

    status = 0

    def __call__(self, command: list[str], env: dict[str, str]) -> int:
        self.append(command)
        return self.status


@pytest.fixture
def commands() -> Commands:
    return Commands()


def configured(path: Path, source: Path = ROOT, **options: object) -> Path:
    """A directory that Meson seems to have configured for source."""
    for folder in ("meson-info", "meson-private"):
        (path / folder).mkdir(parents=True)
    (path / "build.ninja").touch()
    (path / "meson-info/meson-info.json").write_text(
        json.dumps({"directories": {"source": str(source), "build": str(path)}})
    )
    (path / "meson-info/intro-buildoptions.json").write_text(
        json.dumps([{"name": k, "value": v} for k, v in options.items()])
    )
    return path


@pytest.mark.parametrize(
    "given, main, of_asan",
    [
        ({}, "build", "build-asan"),
        ({"CC": "gcc", "PYTHON": "/usr/bin/python3"}, "build", "build-asan"),
        ({"CC": "clang"}, "build-clang", "build-asan-clang"),
        ({"CC": "/usr/bin/clang-14"}, "build-clang-14", "build-asan-clang-14"),
        ({"CC": "gcc -m64"}, "build-gcc-m64", "build-asan-gcc-m64"),
        ({"CC": "ccache gcc"}, "build-ccache-gcc", "build-asan-ccache-gcc"),
        ({"CC": "/opt/bin/gcc"}, "build-opt-bin-gcc", "build-asan-opt-bin-gcc"),
        ({"CC": "clang --target=x"}, "build-clang-target=x", "build-asan-clang-target=x"),
        ({"PYTHON": "/opt/bin/python3.13"}, "build-python3.13", "build-asan"),
        ({"CC": "clang", "PYTHON": "p"}, "build-clang-p", "build-asan-clang"),
    ],
)
def test_a_directory_for_each_compiler_and_python(
    environment, given, main, of_asan, tmp_path: Path
):
    environment.setattr(trees, "ROOT", tmp_path)  # where nothing is built yet
    for name, value in given.items():
        environment.setenv(name, value)
    assert trees.main_path() == tmp_path / main
    assert trees.part_path("asan") == tmp_path / of_asan


def test_a_long_command_for_the_compiler_is_cut_and_kept_apart(environment):
    names = set()
    for last in ("-O1", "-O2"):
        environment.setenv("CC", f"gcc {'-DNAME ' * 100}{last}")
        names.add(trees.main_path().name)
    assert len(names) == 2 and max(map(len, names)) < 100


def make_interpreter(path: Path, version: str) -> str:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return str(path)


def test_interpreters_of_one_name_have_directories_of_their_own(environment, tmp_path: Path):
    environment.setattr(trees, "ROOT", tmp_path)
    first, second, newer = (
        make_interpreter(tmp_path / where / "bin/python3", version)
        for where, version in [("a", "3.12"), ("b", "3.12"), ("c", "3.13")]
    )
    environment.setenv("PYTHON", newer)
    assert trees.main_path() == tmp_path / "build-python3.13"
    environment.setenv("PYTHON", first)
    assert trees.main_path() == tmp_path / "build-python3.12"
    configured(trees.main_path(), tmp_path, python=first)
    assert trees.main_path() == tmp_path / "build-python3.12"
    environment.setenv("PYTHON", second)
    path = trees.main_path()
    assert path.name.startswith("build-python3.12-")
    assert trees.logs_path().name == path.name.replace("build", "build-check")
    configured(path, tmp_path, python=second)
    assert trees.main_path() == path
    # What is gone leaves its directory to others.
    Path(first).unlink()
    assert trees.main_path() == tmp_path / "build-python3.12"


def test_the_interpreter_of_the_system_is_known_by_its_bare_name(environment, tmp_path: Path):
    environment.setenv("PYTHON", "python3")
    environment.setenv("PATH", "/usr/bin")
    assert trees.main_path() == ROOT / "build"


def test_build_names_the_place_of_all(environment, tmp_path: Path):
    environment.setenv("BUILD", str(tmp_path))
    environment.setenv("CC", "clang")
    assert trees.main_path() == tmp_path
    assert trees.part_path("asan") == tmp_path / "build-asan-clang"
    assert trees.logs_path() == tmp_path / "build-check-clang"


@pytest.mark.parametrize(
    "cc, cxx",
    [
        ("clang", "clang++"),
        ("ccache /usr/bin/clang-14", "ccache /usr/bin/clang++-14"),
        ("gcc-11", "g++-11"),
    ],
)
def test_cxx_is_of_the_same_make(environment, cxx, cc):
    environment.setenv("CC", cc)
    assert trees.compiler_environment() == {"CXX": cxx}
    environment.setenv("CXX", "other")
    assert trees.compiler_environment() == {}


def test_a_new_directory_is_configured(commands: Commands, tmp_path: Path):
    path = tmp_path / "new"
    Tree(path, commands).configure({"tests": True}, first={"tests": False, "man": False})
    setup = ["meson", "setup", str(path), str(ROOT)]
    assert commands == [[*setup, "-Dtests=true", "-Dman=false"]]


def test_a_directory_as_wanted_is_left_alone(commands: Commands, tmp_path: Path):
    tree = Tree(configured(tmp_path / "b", tests=True, python="/p"), commands)
    tree.configure({"tests": True, "python": "/p"}, first={"python": "/q"})
    assert commands == []


def test_only_what_differs_is_changed(commands: Commands, tmp_path: Path):
    tree = Tree(configured(tmp_path / "b", tests=False, python="/p"), commands)
    tree.configure({"tests": True, "python": "/p"})
    reconfigure = ["meson", "setup", "--reconfigure", str(tmp_path / "b"), str(ROOT)]
    assert commands == [[*reconfigure, "-Dtests=true"]]


def test_nothing_is_run_where_all_is_built(commands: Commands, tmp_path: Path):
    path = configured(tmp_path / "build")
    (path / "build.ninja").write_text(
        "rule copy\n  command = cp $in $out\nbuild made: copy source\n"
    )
    (path / "source").touch()
    Tree(path, commands).build()
    assert commands == [["ninja", "-C", str(path)]]
    commands.clear()
    subprocess.check_call(["ninja", "-C", path], stdout=subprocess.DEVNULL)
    Tree(path, commands).build()
    assert commands == []


def test_records_are_brought_up_to_date_by_ninja(commands: Commands, tmp_path: Path):
    path = configured(tmp_path / "b")
    Tree(path, commands).refresh()
    assert commands == [["ninja", "-C", str(path), "build.ninja"]]


@pytest.mark.parametrize("moved", ["source", "build"])
def test_a_moved_one_is_configured_anew(commands: Commands, tmp_path: Path, moved: str):
    path = tmp_path / "old"
    configured(path, ROOT if moved == "build" else tmp_path / "gone", tests=True)
    (path / "meson-private/cmd_line.txt").write_text(
        "[options]\nbuildtype = release\ntests = true\n\n[properties]\n"
    )
    (path / "build-asan").mkdir()
    if moved == "build":
        path = path.rename(tmp_path / "new")
    Tree(path, commands).configure({"tests": False}, first={"man": False})
    # As it was configured, with what is wanted now; nothing stale is left, and
    # what else is below it stays.
    assert commands == [
        ["meson", "setup", str(path), str(ROOT)]
        + ["-Dman=false", "-Dbuildtype=release", "-Dtests=false"]
    ]
    assert [entry.name for entry in path.iterdir()] == ["build-asan"]


def test_another_use_of_the_directory_is_refused(commands: Commands, tmp_path: Path):
    (tmp_path / "letters").mkdir()
    with pytest.raises(TreeError, match="is not empty and not a build directory"):
        Tree(tmp_path, commands).configure({})
    assert commands == []
    Tree(tmp_path).remove()
    assert (tmp_path / "letters").exists()


def test_what_cannot_be_configured_is_named(commands: Commands, tmp_path: Path):
    commands.status = 1
    with pytest.raises(TreeError, match="cannot configure .*new.*--missing"):
        Tree(tmp_path / "new", commands).configure({})


def test_a_part_of_the_sources_is_built(commands: Commands, tmp_path: Path):
    path = configured(tmp_path / "b")
    targets = [
        {"id": name, "defined_in": str(ROOT / file), "filename": [str(path / name)]}
        for name, file in [
            ("src/libgrove.a", "src/meson.build"),
            ("python/x.so", "python/grove/meson.build"),
        ]
    ]
    (path / "meson-info/intro-targets.json").write_text(json.dumps(targets))
    tree = Tree(path, commands)
    tree.build(tree.targets_below(["src", "man"]))
    assert commands == [["ninja", "-C", str(path), "src/libgrove.a"]]


def test_a_checkout_reached_by_a_link_has_not_moved(tmp_path: Path):
    path = configured(tmp_path / "b")
    link = tmp_path / "link"
    link.symlink_to(path)
    assert not Tree(path).has_moved() and not Tree(link).has_moved()
    assert os.path.realpath(link) == str(path)
