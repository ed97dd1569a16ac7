"""The Markdown files of the checkout as pages of the site.

They read on their own, so their links are those of the checkout. Here a link to
another of the files is led to its page, one to any other file to a page that shows
it, and the index's lists of links become the site's navigation.
"""

import os
import re
from pathlib import Path

from making.site.drawings import draw_blocks
from making.trees import ROOT

INDEX = ROOT / "docs" / "index.md"

#: Pages that are not in docs/, by the name that they have on the site.
OTHERS = {
    "readme": "README.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "python-package": "python/grove/README.md",
    "python-sources": "python/src/README.md",
    "hub": "src/hub/README.md",
}

#: What a file is written in, by its suffix.
LANGUAGES = {".c": "c", ".h": "c", ".py": "python", ".sh": "sh", ".conf": "nginx"}

LINK = re.compile(r"\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")
SECTION = re.compile(r"^## (.*)\n+((?:[-*] .*\n(?:  .*\n)*|\n)+)", re.M)


def sources() -> dict[str, Path]:
    """The pages: the name on the site, and the file."""
    pages = {path.stem: path for path in sorted((ROOT / "docs").glob("*.md"))}
    return pages | {name: ROOT / path for name, path in OTHERS.items()}


class Documents:
    """The pages being written into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pages = {path: f"{name}.md" for name, path in sources().items()}
        self._shown: set[Path] = set()

    def write(self) -> None:
        for path, name in self._pages.items():
            text = LINK.sub(lambda link: self._led(link, path), path.read_text())
            if path == INDEX:
                text += navigation(text)
            (self._folder / name).write_text(draw_blocks(text))
        self._write_shown()

    def _led(self, link: re.Match[str], page: Path) -> str:
        """A link of a page, led to where its target is on the site."""
        target = Path(os.path.normpath(page.parent / link["target"]))
        if target in self._pages:
            return f"]({self._pages[target]}{link['anchor'] or ''})"
        if not target.is_file() or not target.is_relative_to(ROOT):
            return link[0]
        self._shown.add(target)
        return f"]({shown_name(target)})"

    def _write_shown(self) -> None:
        """A page for each file that is linked to."""
        for path in sorted(self._shown):
            to = self._folder / shown_name(path)
            to.parent.mkdir(parents=True, exist_ok=True)
            language = LANGUAGES.get(path.suffix, "text")
            code = path.read_text().rstrip("\n")
            title = path.relative_to(ROOT)
            to.write_text(f"---\norphan:\n---\n# {title}\n\n````{language}\n{code}\n````\n")


def shown_name(path: Path) -> str:
    return f"files/{path.relative_to(ROOT)}.md"


def navigation(index: str) -> str:
    """Of each list of links below a heading of the index, the tree of its pages."""
    trees = []
    for title, links in SECTION.findall(index):
        found = re.findall(r"^[-*] \[([^]]*)\]\(([\w/-]+)\.md\)", links, re.M)
        pages = [f"{name} <{page}>" for name, page in found]
        trees.append(
            "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```"])
        )
    return "\n" + "\n\n".join(trees) + "\n"
