"""The site as it is made, and what its pages hold: for the tests of it."""

import subprocess
from html.parser import HTMLParser
from pathlib import Path

from build_tree import BUILD, ROOT


def make(folder: Path) -> None:
    """Make the site there; a warning of Sphinx's is a failure."""
    made = subprocess.run(
        [ROOT / "tools" / "site", BUILD, folder], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr


class Page(HTMLParser):
    """A page: what can be linked to in it, and where its links lead."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value and tag != "base":
                self.links.append(value)
