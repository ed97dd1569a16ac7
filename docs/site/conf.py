"""Sphinx's configuration of the site, whose sources tools/site writes."""

import os
import re
from itertools import groupby
from pathlib import Path

project = "Grove"
author = "The authors of Grove"
copyright = "the authors of Grove, under the MIT licence"
version = release = os.environ["GROVE_VERSION"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
# A name that nothing is known of is not a link; a link that leads nowhere is an error.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

# `name` in a docstring is code.
default_role = "literal"
autodoc_typehints = "none"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
add_module_names = False

html_theme = "furo"
html_title = f"Grove {version}"
html_static_path = ["static"]
# What Debian's theme leaves to a web server of Debian's.
NORMALIZE = Path("/usr/share/javascript/normalize.css")
html_static_path += [str(NORMALIZE)] if NORMALIZE.is_dir() else []
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "native"


def plain(app, what, name, thing, options, lines: list[str]) -> None:
    """Docstrings are plain text: a star or a low line in them is one, but in code."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = re.split(r"(`[^`]*`)", line)
            parts[::2] = [re.sub(r"\*|(?<=\w)_(?!\w)", r"\\\g<0>", p) for p in parts[::2]]
            lines[number] = "".join(parts)
    if what == "module":
        lines[:] = tables_as_they_are(lines)


def tables_as_they_are(lines: list[str]) -> list[str]:
    """What is laid out in columns by hand stays so."""
    found: list[str] = []
    for table, paragraph in groupby(lines, key=bool):
        block = list(paragraph)
        if table and any(re.search(r"\S {2,}\S", line) for line in block):
            block = ["::", "", *("    " + line.replace("\\*", "*") for line in block)]
        found += block
    return found


def stand_alone(app, error) -> None:
    """Have the theme's style and script, as Debian has them, find what they import."""
    static = Path(app.outdir) / "_static"
    if error is None:
        replace(static / "styles/furo.css", "/javascript/normalize.css/", "../")
        patched = static / "scripts/gumshoe-patched.js"
        if patched.exists():
            module = 'import Gumshoe from "./gumshoe-patched.js";'
            replace(static / "scripts/furo.js", module, patched.read_text())


def replace(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def setup(app) -> None:
    app.connect("build-finished", stand_alone)
    app.connect("autodoc-process-docstring", plain, priority=400)
