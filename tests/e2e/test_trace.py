"""`grove trace`: what fibers did, for Chrome and Perfetto, and as a page."""

import html
import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from traces import COMMAND, EXAMPLES, HUBS, PROGRAM, PYTHON, THREAD, TURNS, Trace, python_environment, run


@pytest.fixture(scope="module")
def python_trace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The trace of PROGRAM, and the descriptor that is read."""
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    result = run("-o", path, "--", PYTHON, "-c", PROGRAM, env=python_environment())
    assert (result.returncode, result.stderr) == (0, "")
    return path, int(result.stdout)


def test_a_program_in_c(tmp_path: Path):
    path = tmp_path / "trace.json"
    result = run("-o", path, EXAMPLES / "switch_order")
    assert result.returncode == 0
    assert result.stdout.splitlines()[0] == "foo, step 1"
    trace = Trace(path)
    assert trace.data["otherData"]["lost"] == 0
    assert list(trace.hubs) == [1]
    assert trace.did("main") == ["run", "join_all", "ready", "run"]
    for fiber in [(1, 3), (1, 4)]:
        names = [begin["name"] for begin, _ in trace.slices[fiber]]
        assert names == ["ready", "run", "ready", "run", "ready", "run"]
        assert [moment["name"] for moment in trace.moments[fiber]] == ["end"]
    spawned = [moment["args"]["fiber"] for moment in trace.moments[1, 1]]
    assert spawned == [3, 4]
    woken = trace.slices[1, 1][2][0]["args"]
    assert woken == {"woken by": 4, "result": 0}


def test_a_program_of_several_hubs(tmp_path: Path):
    path = tmp_path / "trace.json"
    result = run("-o", path, PYTHON, "-c", HUBS, env=python_environment())
    assert (result.returncode, result.stderr) == (0, "")
    trace = Trace(path)
    assert list(trace.hubs) == [1, 2, 3, 4]
    assert len({name.split()[-1] for name in trace.hubs.values()}) >= 2
    for hub in trace.hubs:
        assert "sleep" in [begin["name"] for begin, _ in trace.slices[hub, 1]]


def test_a_program_in_python(python_trace: tuple[Path, int]):
    path, fd = python_trace
    trace = Trace(path)
    named = [name for name in trace.names.values() if name.startswith("the ä <reader>: read")]
    (reader,) = named
    assert trace.did(reader) == ["ready", "run", "recv", "ready", "run"]
    (row,) = (row for row in trace.names if trace.names[row] == reader)
    assert trace.slices[row][2][0]["args"] == {"fd": fd}
    assert trace.longest(reader, "recv") > 15000
    assert trace.longest("write", "sleep") > 15000
    assert trace.longest("compute", "run") > 9000


def test_the_newest_are_kept(tmp_path: Path):
    path = tmp_path / "trace.json"
    environment = {**python_environment(), "GROVE_TRACE_SIZE": "16K"}
    result = run("-o", path, PYTHON, "-c", TURNS, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    trace = Trace(path)
    assert trace.data["otherData"]["lost"] > 5000
    assert trace.names[1, 1] == "main"


def test_by_grove_run_what_knows_nothing_of_it(tmp_path: Path):
    path = tmp_path / "trace.json"
    result = run("-o", path, COMMAND, "run", "--threads", "/usr/bin/python3", "-c", THREAD)
    assert (result.returncode, result.stderr) == (0, "")
    trace = Trace(path)
    waits = {begin["name"] for row in trace.slices.values() for begin, _ in row if begin["cat"] == "wait"}
    assert waits, trace.names


# ---- what the command says --------------------------------------------------------


def test_a_name_with_the_number_of_the_process(tmp_path: Path):
    result = run("-o", tmp_path / "%p.json", EXAMPLES / "switch_order")
    assert (result.returncode, result.stderr) == (0, "")
    (path,) = tmp_path.iterdir()
    assert path.stem == str(Trace(path).data["otherData"]["process"])


def test_a_pipe_is_read_to_its_end(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE, text=True) as reader:
        try:
            result = run("-o", path, EXAMPLES / "switch_order", timeout=20)
            assert (result.returncode, result.stderr) == (0, "")
            assert json.loads(reader.communicate(timeout=20)[0])["traceEvents"]
        finally:
            reader.kill()


def test_without_a_name_it_is_said_where(tmp_path: Path):
    assert run(EXAMPLES / "switch_order", cwd=tmp_path).returncode == 0
    assert Trace(tmp_path / "grove-trace.json").names


def test_where_nothing_is_traced_it_is_said(tmp_path: Path):
    path = tmp_path / "trace.json"
    path.write_text("of an earlier run")
    result = run("-o", path, "sh", "-c", "exit 3")
    assert result.returncode == 3
    why, left = result.stderr.splitlines()
    assert why.startswith("grove: no trace: sh has no fibers; ")
    assert "grove trace grove run sh" in why
    assert left == f"grove: {path} is of an earlier run"
    assert path.read_text() == "of an earlier run"


def test_a_program_that_cannot_be_run(tmp_path: Path):
    result = run("no-such-program", cwd=tmp_path)
    assert result.returncode == 127
    assert result.stderr == "grove: cannot run no-such-program: No such file or directory\n"
    assert run("/", cwd=tmp_path).returncode == 126


def test_a_file_that_cannot_be_written_is_told():
    result = run("-o", "/nonexistent/x", EXAMPLES / "switch_order")
    assert result.returncode == 0
    assert result.stdout.count("step") == 4
    assert 'grove: no trace: cannot write "/nonexistent/x": No such file' in result.stderr


def end_by(signum: int, path: Path) -> str:
    """What is told of a program in Python that is traced and gets the signal, as
    from a terminal.
    """
    program = "import grove; grove.spawn(print, 'there', flush=True); grove.sleep(3600)"
    command = [COMMAND, "trace", "-o", path, PYTHON, "-c", program]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(command, env=python_environment(), text=True, **pipes) as process:
        assert process.stdout.readline() == "there\n"
        if signum == signal.SIGINT:
            os.killpg(process.pid, signum)
        else:
            process.send_signal(signum)
        told = process.stderr.read()
    assert process.returncode == 128 + signum
    return told


def test_an_end_by_a_signal_is_handed_on_and_told(tmp_path: Path):
    assert "was ended by a signal (Terminated)" in end_by(signal.SIGTERM, tmp_path / "t.json")
    assert not list(tmp_path.iterdir())


def test_an_end_by_a_signal_leaves_an_earlier_trace(tmp_path: Path):
    path = tmp_path / "t.json"
    path.write_text("of an earlier run")
    told = end_by(signal.SIGTERM, path)
    assert told.endswith(f"grove: {path} is of an earlier run\n")
    assert path.read_text() == "of an earlier run"


def test_an_interrupted_interpreter_writes_its_trace(tmp_path: Path):
    path = tmp_path / "t.json"
    path.write_text("of an earlier run")
    told = end_by(signal.SIGINT, path)
    assert "KeyboardInterrupt" in told and "no trace" not in told
    assert "sleep" in Trace(path).did("main")
    assert list(tmp_path.iterdir()) == [path]


def test_use_is_told(tmp_path: Path):
    for spelling in ("-h", "--help"):
        assert run(spelling).stdout.startswith("usage: grove trace ")
    for arguments, why in [
        ("", "PROGRAM is missing"),
        ("-o", "-o '': expected the name of a file"),
        ("-o x", "PROGRAM is missing"),
        ("--wrong true", "no option '--wrong'"),
        ("--html", "PAGE is missing"),
        ("--html x", "FILE is missing"),
        ("--html x y z", "one argument too many, 'z'"),
    ]:
        result = run(*arguments.split(), cwd=tmp_path)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == f"grove: trace: {why}; see 'grove trace --help'\n"


# ---- the page ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(python_trace: tuple[Path, int]) -> Path:
    path, _ = python_trace
    written = path.with_suffix(".html")
    result = run("--html", written, path)
    assert (result.returncode, result.stderr) == (0, "")
    return written


def test_the_page_stands_alone(page: Path):
    text = page.read_text()
    assert not re.search(r"(src|href)\s*=|url\(|@import|fetch\(|https?://", text)
    assert text.count("</script>") == 2
    assert "<reader>" not in text


def test_pages_of_what_is_none_are_refused(tmp_path: Path):
    other = tmp_path / "other"
    other.write_text("{}")
    for trace, why in [(other, "it is no trace"), (tmp_path / "none", "No such file")]:
        result = run("--html", tmp_path / "page", trace)
        assert result.returncode == 1
        assert why in result.stderr
    assert not (tmp_path / "page").exists()


def trace_in(page: Path) -> dict:
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page.read_text(), re.S)[1])


def test_a_trace_that_is_cut_is_told_and_shown(page: Path, tmp_path: Path):
    whole = page.with_suffix(".json").read_bytes()
    events = json.loads(whole)["traceEvents"]
    cut, shown = tmp_path / "cut.json", tmp_path / "cut.html"
    last = whole.rindex(b"\n]")
    for size in [19, 40, len(whole) // 2, last - 1, last, *range(last + 1, len(whole) - 1)]:
        cut.write_bytes(whole[:size])
        result = run("--html", shown, cut)
        told = f"grove: trace: {cut} is cut: its end is missing on the page\n"
        assert (result.returncode, result.stderr) == (0, told), size
        data = trace_in(shown)
        assert data["otherData"] == {"cut": True}
        n = whole[:size].count(b"},\n") + (size > last)
        assert data["traceEvents"] == events[:n]
    assert trace_in(page) == json.loads(whole)


def test_the_page_of_a_trace_that_is_cut_says_so(page: Path, tmp_path: Path):
    whole = page.with_suffix(".json").read_bytes()
    cut, shown = tmp_path / "cut.json", tmp_path / "cut.html"
    cut.write_bytes(whole[: len(whole) // 2])
    assert run("--html", shown, cut).returncode == 0
    told = re.search(r'<span id="summary">(.*?)</span>', browse(shown.as_uri(), tmp_path, "--dump-dom"))[1]
    assert "of a process: hubs: 1, " in told
    assert told.endswith("; the trace is cut: its end is missing")


def test_a_page_that_cannot_be_written_is_told(page: Path):
    result = run("--html", "/dev/full", page.with_suffix(".json"))
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)


def browse(page: str, folder: Path, *options: str) -> str:
    """The browser's output, once the page has been drawn."""
    if not shutil.which("chromium"):
        pytest.skip("a browser is wanted: tools/setup pages installs it")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--virtual-time-budget=10000", "--window-size=1000,700"]
    command += [f"--user-data-dir={folder / 'profile'}", *options, page]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def table(dom: str, name: str) -> list[list[str]]:
    body = re.search(rf'<table id="{name}">.*?<tbody>(.*?)</tbody>', dom, re.S)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.S)
    return [re.findall(r"<td>(.*?)</td>", row) for row in rows]


def test_the_page_tells_the_longest(page: Path, python_trace: tuple[Path, int], tmp_path: Path):
    dom = browse(page.as_uri(), tmp_path, "--dump-dom")
    _, fd = python_trace
    told = re.search(r'<span id="summary">(.*?)</span>', dom)[1]
    assert "hubs: 1, fibers: 4" in told
    waits = {(fiber, what) for _, _, fiber, what in table(dom, "waits")}
    reader = next(f for f, w in waits if w == f"recv {fd}")
    assert reader.startswith("the ä &lt;reader&gt;: read")
    runs = [(time, fiber) for time, _, fiber, _ in table(dom, "runs")]
    computed = [time for time, fiber in runs if fiber.startswith("compute ")]
    value, unit = computed[0].split()
    assert unit == "ms" and float(value) >= 9
    assert table(dom, "delays")


#: What a person does, and what is shown after each.
HANDS = """
const seen = [];
const see = () => seen.push([view.begin - trace.begin, view.end - trace.begin, view.rows.length, told.textContent]);
const key = name => canvas.dispatchEvent(new KeyboardEvent("keydown", {key: name}));
const at = (name, x, y) => canvas.dispatchEvent(new PointerEvent(name, {clientX: x, clientY: y, pointerId: 1}));
canvas.setPointerCapture = () => {};
const box = canvas.getBoundingClientRect();
see();
canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: -400, clientX: 600, clientY: box.top + 50})); see();
at("pointerdown", 600, box.top + 50); at("pointermove", 700, box.top + 50); at("pointerup", 700, box.top + 50); see();
key("0"); see();
document.querySelector("#runs tbody tr:last-child").click(); see();
const filter = document.getElementById("filter");
filter.value = "compute"; filter.dispatchEvent(new Event("input")); see();
const out = document.createElement("pre");
out.id = "seen";
out.textContent = JSON.stringify(seen);
document.body.append(out);
"""


def test_the_page_zooms_moves_and_chooses(page: Path, tmp_path: Path):
    tried = tmp_path / "tried.html"
    tried.write_text(page.read_text() + f"<script>{HANDS}</script>")
    dom = browse(tried.as_uri(), tmp_path, "--dump-dom")
    found = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.S)
    begins, ends, rows, told = zip(*json.loads(html.unescape(found[1])))
    whole = ends[0] - begins[0]
    assert begins[0] == 0
    assert (ends[1] - begins[1]) / whole == pytest.approx(math.exp(-1))
    assert 0 < begins[1] < ends[1] < ends[0]
    assert ends[2] - begins[2] == pytest.approx(ends[1] - begins[1])
    assert begins[2] < begins[1], "what was dragged to the right shows what was before"
    assert (begins[3], ends[3]) == (0, ends[0])
    assert 0 < ends[4] - begins[4] < whole / 2, "the shortest run of the table"
    assert " · run · " in told[4] and " · from " in told[4]
    assert rows == (*[rows[0]] * 5, 2), "the hub and one fiber"


def pixels(png: Path) -> tuple[int, int, list[tuple[int, ...]]]:
    """A picture of 8 bits a channel: width, height, and its pixels' colours."""
    data = png.read_bytes()
    width, height, _, kind = struct.unpack(">IIBB", data[16:26])
    size = {2: 3, 6: 4}[kind]
    packed, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += length + 12
    raw, found = zlib.decompress(packed), []
    above = bytearray(width * size)
    for y in range(height):
        begin = y * (width * size + 1)
        line = bytearray(raw[begin + 1 : begin + 1 + width * size])
        unfilter(raw[begin], line, above, size)
        found += [tuple(line[x : x + 3]) for x in range(0, len(line), size)]
        above = line
    return width, height, found


def unfilter(kind: int, line: bytearray, above: bytearray, size: int) -> None:
    for i in range(len(line)):
        left = line[i - size] if i >= size else 0
        corner = above[i - size] if i >= size else 0
        up = above[i]
        guess = left + up - corner
        nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
        line[i] = (line[i] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255


#: Of the page's style, in light.
RUN, WAIT = (0x1A, 0x7F, 0x4B), (0x93, 0xA4, 0xB8)


class Picture:
    """A screenshot, right of the names and below the legend."""

    def __init__(self, png: Path):
        width, height, found = pixels(png)
        self.lines = [found[y * width + 195 : (y + 1) * width] for y in range(75, height)]

    def count(self, color: tuple[int, int, int], lines: set[int]) -> int:
        """The most pixels of the colour in one of the lines."""
        return max(self.lines[y].count(color) for y in lines)


def test_the_page_draws_what_fibers_did_and_zooms(page: Path, tmp_path: Path):
    """Zoomed into the run of `compute`, which fills its row."""
    trace = Trace(page.with_suffix(".json"))
    (row,) = (row for row in trace.names if trace.names[row] == "compute")
    begin, end = max(trace.slices[row], key=lambda pair: pair[1]["ts"] - pair[0]["ts"])
    first = min(b["ts"] for pairs in trace.slices.values() for b, _ in pairs)
    at = (begin["ts"] + 1000 - first, end["ts"] - 1000 - first)
    shots = tmp_path / "whole.png", tmp_path / "zoomed.png"
    browse(page.as_uri(), tmp_path, f"--screenshot={shots[0]}")
    browse(f"{page.as_uri()}#{at[0]:.3f}-{at[1]:.3f}", tmp_path, f"--screenshot={shots[1]}")
    whole, zoomed = Picture(shots[0]), Picture(shots[1])
    filled = {y for y, line in enumerate(zoomed.lines) if line.count(RUN) > 700}
    assert filled
    assert 0 < whole.count(RUN, filled) < 700
    assert whole.count(WAIT, set(range(len(whole.lines)))) > 20
