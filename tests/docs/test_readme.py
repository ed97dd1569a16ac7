"""What README.md and CONTRIBUTING.md name is there."""

import re

import pytest

from build_tree import ROOT


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_named_files_exist(document: str):
    text = (ROOT / document).read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    paths = re.findall(r"`([\w.-]+/[\w./-]*|\.?\w[\w-]*\.(?:md|h|txt|map))`", text)
    missing = [
        path
        for path in links + paths
        if not path.startswith("build") and not (ROOT / path).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_named_make_targets_exist(document: str):
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z]+)", (ROOT / document).read_text()):
        assert re.search(rf"^{target}:", makefile, re.M), target
