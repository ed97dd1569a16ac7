"""What packages are made of: the checkout without what was built in it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from making.sources import copy_sources, source_files

from build_tree import ROOT


@pytest.mark.skipif(
    not shutil.which("git") or not (ROOT / ".git").exists(),
    reason="what the sources are is told by git, and this is no clone with it",
)
def test_the_copy_has_what_git_has(tmp_path: Path):
    listed = subprocess.check_output(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        text=True,
    )
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    copy = tmp_path / "copy"
    copy_sources(copy)
    there = {str(p.relative_to(copy)) for p in copy.rglob("*") if not p.is_dir()}
    assert there == tracked
    assert there == {str(path) for path in source_files()}
