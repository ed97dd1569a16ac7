"""The package as it is laid out in a build directory."""

import subprocess
from pathlib import Path

from build_tree import ROOT


PROJECT = """
[project]
name = "grove"
description = "made up"
requires-python = ">=3.11"
dependencies = ["other >= 3"]
"""


def test_what_is_gone_from_the_sources_goes_from_the_build(tmp_path: Path):
    source, build = tmp_path / "source", tmp_path / "build"
    room = source / "grove" / "room"
    room.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    for file in ("__init__.py", "room/__init__.py"):
        (source / "grove" / file).touch()

    def link() -> None:
        subprocess.check_call([ROOT / "tools/link-python", source, build, "1.2"])

    link()
    package = build / "python" / "grove"
    assert (package / "room" / "__init__.py").is_symlink()
    (package / "room" / "__pycache__").mkdir()
    (package / "_core.so.p").mkdir()  # Meson's
    room.rename(source / "grove" / "hall")
    link()
    assert not (package / "room").exists()
    assert (package / "hall" / "__init__.py").exists()
    assert (package / "_core.so.p").exists()


def test_metadata_is_that_of_the_version_alone(tmp_path: Path):
    (tmp_path / "source" / "grove").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    for version in ("1.2", "1.3"):
        subprocess.check_call(
            [ROOT / "tools/link-python", tmp_path / "source", tmp_path, version]
        )
    for folder in ("python", "compat"):
        (told,) = (tmp_path / folder).glob("*.dist-info")
        assert told.name == "grove-1.3.dist-info"
        lines = (told / "METADATA").read_text().splitlines()
        assert {"Name: grove", "Version: 1.3", "Requires-Dist: other >= 3"} < set(lines)
