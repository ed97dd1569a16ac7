"""The plots: of docs/performance.md's own table, or of what tools/bench has saved."""

import importlib.util
import json
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from build_tree import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from making.site import figures  # noqa: E402


def bench() -> ModuleType:
    """tools/bench, which is a script."""
    loader = SourceFileLoader("bench", str(ROOT / "tools" / "bench"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
    loader.exec_module(module)
    return module


def test_every_row_of_a_plot_is_in_the_table(tmp_path: Path):
    ratios = figures.Figures(tmp_path / "none").ratios
    wanted = {name for plot in figures.PLOTS for name in plot.rows}
    assert wanted <= ratios.keys()
    row = r"^\| `py_switch_deep` \| [\d,.]+ ns \| (\d+) times faster"
    [deep] = re.findall(row, (ROOT / "docs" / "performance.md").read_text(), re.M)
    assert ratios["py_switch_deep"] == figures.Ratio(int(deep), int(deep))
    least, most = ratios["http_hello_100"].least, ratios["http_hello_100"].most
    assert 0 < least < most < 1


def test_every_figure_of_a_plot_is_measured():
    known = set(bench().BENCHMARKS) | set(bench().TARGETS) | {"py_pool_spawn", "py_pool_map"}
    assert {name for plot in figures.PLOTS for name in plot.rows} <= known


def test_what_was_saved_is_drawn(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="plots are made by it: tools/setup docs")
    line = "echo_10                  5.82 us-cpu, 1.040 x epoll server"
    other = "timers                  24.00 ns"
    found = [bench().as_data(bench().LINE.match(text)) for text in (line, other)]
    saved = tmp_path / "figures.json"
    bench().save(saved, found)
    assert json.loads(saved.read_text())["figures"][0] == {
        "name": "echo_10",
        "value": 5.82,
        "unit": "us-cpu",
        "ratio": 1.04,
        "peer": "epoll server",
    }
    drawn = figures.Figures(saved)
    assert drawn.ratios == {"echo_10": figures.Ratio(1.04, 1.04)}
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{figures.PLACE}\n\nafter\n")
    drawn.draw(page)
    text = page.read_text()
    assert text.count("<svg") == 1 and ">1.04<" in text and "epoll by hand" in text
    assert re.search(r"Measured on \d{4}-\d\d-\d\d: \d+ processors, ", text)
    assert figures.TEXT not in text and "currentColor" in text
