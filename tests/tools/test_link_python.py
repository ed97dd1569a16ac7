"""The package as it is laid out in a build directory."""

import subprocess
from pathlib import Path

from build_tree import ROOT


def test_what_is_gone_from_the_sources_goes_from_the_build(tmp_path: Path):
    source, build = tmp_path / "source", tmp_path / "build"
    room = source / "grove" / "room"
    for folder in (room, source / "grove" / "_greenlet", source / "compat"):
        folder.mkdir(parents=True)
    (source / "grove" / "_greenlet" / "greenlet.h").touch()
    for file in ("__init__.py", "room/__init__.py"):
        (source / "grove" / file).touch()

    def link() -> None:
        subprocess.check_call([ROOT / "tools/link-python", source, build])

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
