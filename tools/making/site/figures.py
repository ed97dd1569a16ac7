"""Measured figures as plots, in docs/performance.md where it says `<!-- plots -->`.

They are those that `tools/bench --save` wrote last, or else those of the page's own
table, which tells what they were measured on. Nothing else is drawn.
"""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

from making.trees import ROOT

PAGE = ROOT / "docs" / "performance.md"
PLACE = "<!-- plots -->"

#: What stands for the page's colour of text until the drawing is in the page.
TEXT = "#010203"
OURS = "#3f7fbf"
PEER = "#c0792a"


@dataclass
class Ratio:
    """To a peer's, as measured: a value, or from the least to the most of several."""

    least: float
    most: float


@dataclass
class Plot:
    """A group of figures whose ratios are of one kind."""

    title: str
    axis: str
    #: Figure: what to call it, with its peer.
    rows: dict[str, str]
    logarithmic: bool = False


PLOTS = [
    Plot(
        "Python: how many times faster than greenlet and gevent",
        "times faster (logarithmic)",
        {
            "py_switch": "switch (greenlet)",
            "py_switch_deep": "switch, deep stacks (greenlet)",
            "py_create": "create a raw greenlet (greenlet)",
            "py_spawn": "spawn and join (gevent)",
            "py_sleep0": "sleep(0) (gevent)",
            "py_event": "Event (gevent)",
            "py_semaphore": "Semaphore (gevent)",
            "py_async_result": "AsyncResult (gevent)",
            "py_timeout": "with Timeout (gevent)",
            "py_queue": "Queue (gevent)",
            "py_channel": "Channel (gevent)",
            "py_pool_spawn": "Pool.spawn (gevent)",
            "py_pool_map": "Pool.map (gevent)",
        },
        logarithmic=True,
    ),
    Plot(
        "Servers and clients in Python: processor time beside gevent's",
        "of gevent's time a request: less is better",
        {
            "py_echo_10": "echo, 10 connections",
            "py_echo_100": "echo, 100 connections",
            "py_echo_1000": "echo, 1,000 connections",
            "py_wsgi_hello": "pywsgi, a short request",
            "py_wsgi_browser": "pywsgi, a browser's request",
            "py_wsgi_gunicorn": "gunicorn's worker of ours",
            "py_wsgi_gunicorn_pywsgi": "gunicorn's gevent_pywsgi",
            "py_requests": "requests, without a session",
            "py_psycopg2": "psycopg2, libc patched",
        },
    ),
    Plot(
        "Servers in C: processor time beside servers without fibers",
        "of the peer's time a request: less is better",
        {
            "echo_10": "echo, 10 connections (epoll by hand)",
            "echo_100": "echo, 100 connections (epoll by hand)",
            "echo_1000": "echo, 1,000 connections (epoll by hand)",
            "tls_echo_100": "echo over TLS, 100 (epoll by hand)",
            "http_hello_10": "HTTP, 10 connections (nginx)",
            "http_hello_100": "HTTP, 100 connections (nginx)",
            "redis_get": "key-value get (redis)",
            "redis_set": "key-value set (redis)",
            "redis_get_16": "16 gets at once (redis)",
            "proxy_48": "TCP proxy, 48 bytes (HAProxy)",
            "proxy_64k": "TCP proxy, 64 KiB (HAProxy)",
        },
    ),
]


def numbers(cell: str) -> Ratio | None:
    """Of a cell of the table: "0.94", "0.85 to 0.89", "5.6 times faster"."""
    found = re.match(r"([\d.]+)(?: to ([\d.]+))?", cell)
    return Ratio(float(found[1]), float(found[2] or found[1])) if found else None


class Figures:
    """The ratios by name, and what to say of where they are from."""

    def __init__(self, saved: Path) -> None:
        if saved.exists():
            run = json.loads(saved.read_text())
            self.source = f"Measured on {run['when']}: {run['on']}."
            self.ratios = {
                figure["name"]: Ratio(figure["ratio"], figure["ratio"])
                for figure in run["figures"]
                if figure["ratio"] is not None
            }
        else:
            self.source = "Drawn from the table below, ranges as bars from the least."
            self.ratios = dict(self._table())

    @staticmethod
    def _table():
        section = PAGE.read_text().partition("## What was measured")[2]
        for name, cell in re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|", section, re.M):
            if ratio := numbers(cell):
                yield name, ratio

    def draw(self, page: Path) -> None:
        """Put the plots into a page's sources."""
        drawn = [svg(plot, rows) for plot in PLOTS if (rows := self._rows(plot))]
        block = "\n".join(f'<div class="figure">{one}</div>' for one in drawn)
        text = page.read_text()
        assert PLACE in text
        page.write_text(
            text.replace(PLACE, f"```{{raw}} html\n{block}\n```\n\n{self.source}\n")
        )

    def _rows(self, plot: Plot) -> list[tuple[str, Ratio]]:
        return [(told, self.ratios[name]) for name, told in plot.rows.items() if name in self.ratios]


def svg(plot: Plot, rows: list[tuple[str, Ratio]]) -> str:
    """A bar a row, and a line where both would be the same."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": plot.title,
        "font.family": "sans-serif",
        "font.size": 9.5,
        **{f"{what}.color": TEXT for what in ("text", "xtick", "ytick")},
        "axes.labelcolor": TEXT,
        "axes.edgecolor": TEXT,
    }
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(7.4, 0.9 + 0.31 * len(rows)))
        places = range(len(rows))
        axes.barh(places, [row.most for _, row in rows], color=OURS, height=0.62, alpha=0.55)
        axes.barh(places, [row.least for _, row in rows], color=OURS, height=0.62)
        for place, (_, row) in zip(places, rows):
            span = f"{row.least:g}" + (f" to {row.most:g}" if row.most > row.least else "")
            axes.annotate(span, (row.most, place), (4, 0), textcoords="offset points", va="center")
        axes.axvline(1, color=PEER, linestyle="--", linewidth=1.2)
        axes.set_yticks(places, [told for told, _ in rows])
        axes.invert_yaxis()
        axes.set_xlabel(plot.axis)
        axes.set_title(plot.title, loc="left", fontsize=11)
        if plot.logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(0.7, 2.2 * max(row.most for _, row in rows))
        else:
            axes.set_xlim(0, 1.22 * max(1, *(row.most for _, row in rows)))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.tight_layout()
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(TEXT, "currentColor")
    return re.sub(r"\n\s*\n", "\n", drawn)
