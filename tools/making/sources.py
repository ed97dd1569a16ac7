"""The checkout's sources, without what was built in it."""

import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from making.trees import ROOT


def _ignored() -> list[str]:
    """The patterns of .gitignore: of names anywhere, or "/" and one at the top."""
    lines = (ROOT / ".gitignore").read_text().split()
    return ["/.git", *(line.rstrip("/") for line in lines)]


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Those of the names in a folder of the checkout that are no sources."""
    slash = "/" if Path(folder) == ROOT else ""
    return {
        name
        for name in names
        for pattern in _ignored()
        if fnmatch(name, pattern) or (slash and fnmatch(slash + name, pattern))
    }


def source_files() -> Iterator[Path]:
    """The files, by their paths in the checkout."""
    for folder, folders, names in os.walk(ROOT):
        left_out = _left_out(folder, [*folders, *names])
        folders[:] = [name for name in folders if name not in left_out]
        for name in names:
            if name not in left_out:
                yield Path(folder, name).relative_to(ROOT)


def copy_sources(folder: Path) -> None:
    """Copy them into folder, which is made; symbolic links stay links."""
    shutil.copytree(ROOT, folder, symlinks=True, ignore=_left_out)
