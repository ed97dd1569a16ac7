"""The documentation as a site: it is made without a warning, no link leads nowhere,
and no page is wider than the window or has an error, as a browser finds."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import site_pages
from build_tree import BUILD, ROOT

PYTHON = os.environ.get("GROVE_PYTHON", "/usr/bin/python3")
NEEDED = ["sphinx", "myst_parser", "furo", "matplotlib", "dns"]

#: Seconds that a browser may take for all pages.
HANG = 600

#: A phone's width, and that of a small laptop, in pixels.
WIDTHS = [400, 1280]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages."""
    for python in PYTHON, sys.executable:
        there = [python, "-c", "import " + ", ".join(NEEDED)]
        if subprocess.run(there, capture_output=True).returncode != 0:
            pytest.skip(f"Sphinx and more are wanted for {python}: tools/setup docs")
    folder = tmp_path_factory.mktemp("site") / "pages"
    site_pages.make(folder)
    return folder


def pages(site: Path) -> dict[str, site_pages.Page]:
    found = sorted(site.rglob("*.html"))
    return {str(path.relative_to(site)): site_pages.Page(path) for path in found}


def test_every_document_and_manual_page_is_there(site: Path):
    names = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    wanted = {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    manual = [p for p in (BUILD / "man").iterdir() if not p.read_text().startswith(".so ")]
    wanted |= {f"manual/{page.name}.html" for page in manual}
    assert len(manual) > 100 and wanted <= names


def test_every_module_that_programs_import_is_there(site: Path):
    package = ROOT / "python" / "grove"
    found = [*package.glob("[!_]*.py"), *package.glob("resolver/[!_]*.py")]
    modules = {".".join(path.relative_to(package).with_suffix("").parts) for path in found}
    wanted = {f"grove.{name}" for name in modules} | {"grove", "grove.resolver", "greenlet"}
    assert len(wanted) > 40
    assert {path.stem for path in (site / "python").glob("*.html")} == wanted
    raw = (site / "python" / "greenlet.html").read_text()
    for name in ("greenlet.switch", "greenlet.throw", "settrace", "error"):
        assert f'id="grove._greenlet.{name}"' in raw, name


def test_links_lead_somewhere(site: Path):
    found = pages(site)
    broken = []
    for name, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            there = str(target.resolve().relative_to(site.resolve()))
            if not target.is_file():
                broken.append((name, link))
            elif parts.fragment and there in found:
                known = found[there].anchors
                broken += [(name, link)] if unquote(parts.fragment) not in known else []
    assert broken == []


def test_nothing_is_fetched_from_elsewhere(site: Path):
    """Read without a network, and by nobody else's leave."""
    for path in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link)\b[^>]*(?:src|href)="([^"]*)"', path.read_text())
        assert [url for url in loaded if urlsplit(url).netloc] == [], path


# ---- in a browser ------------------------------------------------------------------

#: Opens every page at every width, some at a time, and tells the server which are
#: wider than that.
VISIT = """<!doctype html><title>visit</title><script>
const work = WIDTHS.flatMap(width => PAGES.map(page => [page, width]));
const wide = [];
const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
// What is cut off: text that is wider than its place, where nothing scrolls; by more
// than the few pixels that a mark around a signature may stand out.
const MARK = 8;
function cut(root, width) {
    for (const element of root.querySelectorAll("h1, h2, h3, p, li, dt, dd, td, svg, pre")) {
        let inside = false;
        for (let e = element; e && e !== root; e = e.parentElement) inside ||= scrolls(e);
        const place = element.getBoundingClientRect();
        if (!inside && place.width && (place.right > width + 1 || element.scrollWidth > element.clientWidth + MARK && element.clientWidth))
            return element.outerHTML.slice(0, 120);
    }
}
async function visit() {
    for (let next; next = work.pop();) {
        const [page, width] = next, frame = document.createElement("iframe");
        frame.style.width = width + "px";
        frame.style.height = "800px";
        frame.src = page;
        const loaded = new Promise(resolve => frame.onload = resolve);
        document.body.append(frame);
        await loaded;
        const root = frame.contentDocument.documentElement;
        const article = root.querySelector("article");
        if (!article || root.scrollWidth > width || cut(article, width))
            wide.push([page, width, root.scrollWidth, article && cut(article, width)]);
        frame.remove();
    }
}
addEventListener("load", async () => {
    await Promise.all([visit(), visit(), visit(), visit()]);
    await fetch("/told", {method: "POST", body: JSON.stringify(wide)});
});
</script><body></body>"""


class Server(ThreadingHTTPServer):
    """Serves the pages, and keeps what the browser tells and what it did not find."""

    def __init__(self, site: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(site)))
        names = [str(path.relative_to(site)) for path in sorted(site.rglob("*.html"))]
        page = VISIT.replace("PAGES", json.dumps(names)).replace("WIDTHS", str(WIDTHS))
        self.visit = page.encode()
        self.told: list | None = None
        self.missing: list[str] = []
        self.done = threading.Event()


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path != "/visit":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.visit)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.told = json.loads(self.rfile.read(length))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def log_message(self, format: str, *args: object) -> None:
        if len(args) > 1 and str(args[1]) == "404" and "favicon" not in self.path:
            self.server.missing.append(self.path)


#: Files of the theme that Debian 13's package and newer ones build, or name, wrongly:
#: a script that looks in vain for a library of its own, and a style sheet that is not
#: there. Pages look and work the same.
THEMES = ["/_static/scripts/furo.js", "/_static/styles/~normalize.css"]


def test_pages_fit_the_window_and_have_no_errors(site: Path, tmp_path: Path):
    if not shutil.which("chromium"):
        pytest.skip("a browser is wanted: tools/setup pages installs it")
    server = Server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log = tmp_path / "log"
    with log.open("w") as stderr:
        browser = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            + ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
            + ["--window-size=1400,900", "--remote-debugging-port=0"]
            + [f"http://127.0.0.1:{server.server_port}/visit"],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            assert server.done.wait(HANG), log.read_text()[-2000:]
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
            server.server_close()
    assert server.told == [], "page, the window's width, its own"
    assert [path for path in server.missing if path not in THEMES] == []
    lines = log.read_text().splitlines()
    said = [line for line in lines if "CONSOLE" in line and not any(f in line for f in THEMES)]
    assert said == []
