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


def excerpts() -> list[tuple[str, str]]:
    """The code of the README's tour, with the example it is said to be of."""
    text = (ROOT / "README.md").read_text()
    found, example = [], ""
    for part in re.split(r"(```\w*\n.*?```)", text, flags=re.S):
        block = re.match(r"```(c|python)\n(.*?)```", part, re.S)
        if block:
            found.append((example, block[2]))
        for link in re.findall(r"\]\((examples/[^)]+)\)", part):
            example = link
    return found


@pytest.mark.parametrize("example, code", excerpts())
def test_code_is_that_of_an_example(example: str, code: str):
    # "The crawler and others" may be named before a line of the last one named.
    folder = (ROOT / example).parent
    assert any(code in path.read_text() for path in folder.glob("*.*") if path.is_file())
