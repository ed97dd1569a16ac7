"""The manual pages as pages of the site: mandoc writes them, and each name of another
page that stands in one leads there."""

import re
import subprocess
from pathlib import Path

#: `name(3)` as mandoc shows it, in bold.
REFERENCE = re.compile(r"<b>([\w.-]+)</b>\((\d)\)")
HEADING = re.compile(r"<(/?)h([12])\b")
SECTIONS = {"1": "Commands", "7": "Overview", "3": "Functions"}


class Manual:
    """The pages of a folder, and those that only name another."""

    def __init__(self, folder: Path) -> None:
        self._pages = {path.name: path for path in sorted(folder.glob("*.[0-9]"))}
        self._aliases: dict[str, str] = {}
        for name, path in self._pages.items():
            text = path.read_text()
            if text.startswith(".so "):
                self._aliases[name] = text.strip().rpartition("/")[2]

    def write(self, folder: Path) -> None:
        """Write a page for each, and the lists that docs/manual.md ends with."""
        (folder / "manual").mkdir(exist_ok=True)
        for name in self._names():
            (folder / "manual" / f"{name}.md").write_text(self._page(name))
        page = folder / "manual.md"
        page.write_text(page.read_text() + self._lists())

    def _names(self) -> list[str]:
        return [name for name in self._pages if name not in self._aliases]

    def _page(self, name: str) -> str:
        html = subprocess.check_output(
            ["mandoc", "-T", "html", "-O", "fragment", self._pages[name]], text=True
        )
        html = re.sub(r'<table class="(?:head|foot)">.*?</table>', "", html, flags=re.S)
        html = re.sub(r"\n<br/>\n", "\n\n", html)
        html = HEADING.sub(lambda h: f"<{h[1]}h{int(h[2]) + 1}", html)
        html = REFERENCE.sub(self._reference, html)
        return f"# {title(name)}\n\n```{{raw}} html\n{html.strip()}\n```\n"

    def _reference(self, found: re.Match[str]) -> str:
        name = f"{found[1]}.{found[2]}"
        page = self._aliases.get(name, name)
        if page not in self._pages:
            return found[0]
        return f'<a href="{page}.html">{found[0]}</a>'

    def _lists(self) -> str:
        """Of each section its pages, with what they are for."""
        lines: list[str] = []
        for section, what in SECTIONS.items():
            names = [name for name in self._names() if name.endswith(f".{section}")]
            lines += ["", f"## {what}", ""]
            lines += [f"- [{title(name)}](manual/{name}.md): {self._brief(name)}" for name in names]
            lines += ["", "```{toctree}", ":hidden:", ""]
            lines += [f"manual/{name}" for name in names] + ["```"]
        return "\n".join(lines) + "\n"

    def _brief(self, name: str) -> str:
        """What a page says of itself behind its names."""
        found = re.search(r"^\.SH NAME\n(.*?) \\- (.*)$", self._pages[name].read_text(), re.M)
        assert found, name
        return found[2].replace("\\-", "-").replace("\\&", "")


def title(name: str) -> str:
    stem, _, section = name.rpartition(".")
    return f"{stem}({section})"
