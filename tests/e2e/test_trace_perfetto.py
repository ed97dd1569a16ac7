"""Traces in Perfetto's format: as protoc decodes them, and beside the JSON."""

import os
from pathlib import Path

import pytest

from perfetto import PerfettoTrace, Slice
from traces import COMMAND, EXAMPLES, HUBS, PROGRAM, PYTHON, THREAD, TURNS, Trace, python_environment, run

#: What is told of a file that is written.
FOR = "grove: {} is for https://ui.perfetto.dev, and for trace_processor, which takes SQL\n"

#: Writes what there is twice, in both formats; nothing happens meanwhile.
WRITE_BOTH = """
import ctypes, sys
library = ctypes.CDLL("libgrove.so.0")
for path in sys.argv[1:]:
    assert library.grove_trace_write(path.encode()) == 0, path
"""

#: The times of two writings follow from two looks at the clock, which may be
#: interrupted.
LOOK = 5_000_000


def traced(path: Path, *command: str | Path, **options) -> PerfettoTrace:
    result = run("-o", path, *command, **options)
    assert (result.returncode, result.stderr) == (0, FOR.format(path))
    return PerfettoTrace(path)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, PerfettoTrace]:
    """The same ring, in both formats."""
    folder = tmp_path_factory.mktemp("both")
    paths = [folder / "same.json", folder / "same.perfetto-trace"]
    command = [PYTHON, "-c", PROGRAM + WRITE_BOTH, *paths]
    result = run("-o", folder / "end.json", *command, env=python_environment())
    assert (result.returncode, result.stderr) == (0, "")
    return Trace(paths[0]), PerfettoTrace(paths[1])


def slices_of(trace: Trace, row: tuple[int, int]) -> list[tuple]:
    return [(b["cat"], b["name"], b.get("args", {})) for b, _ in trace.slices[row]]


def test_what_is_in_both_is_the_same(both: tuple[Trace, PerfettoTrace]):
    json_trace, trace = both
    rows = trace.rows()
    assert len(rows) == len(json_trace.names) >= 5
    for row, name in json_trace.names.items():
        track = rows[name if name == "hub" or name.startswith("fiber ") else f"{name} {row[1]}"]
        assert [(s.category, s.name, s.args) for s in track.slices] == slices_of(json_trace, row)
        for ours, (begin, _) in zip(track.slices, json_trace.slices[row], strict=True):
            assert abs(ours.begin - begin["ts"] * 1000) < LOOK
        moments = [(m.name, m.args) for m in track.moments if m.name != "wake"]
        assert moments == [(m["name"], m.get("args", {})) for m in json_trace.moments[row]]
    assert {s.category for t in rows.values() for s in t.slices} == {"run", "ready", "wait", "sleep"}


def test_arrows_lead_from_who_wakes_to_who_is_woken(both: tuple[Trace, PerfettoTrace]):
    _, trace = both
    begun = {m.begins_arrow: (t, m) for t in trace.rows().values() for m in t.moments if m.begins_arrow}
    ended = {s.ends_arrow: (t, s) for t in trace.rows().values() for s in t.slices if s.ends_arrow}
    assert begun.keys() == ended.keys()
    assert {m.name for _, m in begun.values()} == {"spawn", "wake"}
    for arrow, (giver, moment) in begun.items():
        taker, ready = ended[arrow]
        assert (ready.category, ready.begin) == ("ready", moment.at)
        assert moment.args["fiber"] == taker.rank
        assert ready.args["spawned by" if moment.name == "spawn" else "woken by"] == giver.rank


def test_fibers_are_tracks_of_their_hub_in_order(both: tuple[Trace, PerfettoTrace]):
    _, trace = both
    (hub,) = trace.hubs()
    assert hub.name == f"hub 1, thread {trace.pid}"
    ranks = {name: track.rank for name, track in trace.rows().items()}
    assert ranks.pop("hub") == 0
    assert all(int(name.split()[-1]) == rank for name, rank in ranks.items())
    assert trace.process.startswith("python3")
    assert (trace.first, trace.lost) == ({1}, set())
    assert any(name.startswith("the ä <reader>: read") for name in ranks)


def longest(slices: list[Slice], name: str) -> int:
    return max(s.end - s.begin for s in slices if s.name == name)


def test_a_program_in_python(tmp_path: Path):
    trace = traced(tmp_path / "x.pftrace", PYTHON, "-c", PROGRAM, env=python_environment())
    (reader,) = (t for name, t in trace.rows().items() if "<reader>" in name)
    assert [s.name for s in reader.slices] == ["ready", "run", "recv", "ready", "run"]
    assert list(reader.slices[2].args) == ["fd"]
    assert longest(reader.slices, "recv") > 15_000_000
    assert [m.name for m in reader.moments][-1] == "end"


def test_a_program_in_c(tmp_path: Path):
    trace = traced(tmp_path / "x.perfetto-trace", EXAMPLES / "switch_order")
    rows = trace.rows()
    assert trace.process == "switch_order"
    assert [s.name for s in rows["main 1"].slices] == ["run", "join_all", "ready", "run"]
    for name in ("fiber 3", "fiber 4"):
        assert [s.name for s in rows[name].slices] == ["ready", "run"] * 3


def test_by_grove_run_what_knows_nothing_of_it(tmp_path: Path):
    trace = traced(tmp_path / "x.pftrace", COMMAND, "run", "--threads", "/usr/bin/python3", "-c", THREAD)
    assert any(s.category == "wait" for t in trace.rows().values() for s in t.slices)


def test_hubs_are_below_the_process(tmp_path: Path):
    trace = traced(tmp_path / "x.pftrace", PYTHON, "-c", HUBS, env=python_environment())
    assert [(hub.rank, hub.name.split(",")[0]) for hub in trace.hubs()] == [(n, f"hub {n}") for n in range(1, 5)]
    assert trace.first == trace.sequences.keys() == {1, 2, 3, 4}
    slept = [t for t in trace.tracks.values() if any(s.name == "sleep" and s.category == "wait" for s in t.slices)]
    assert len(slept) == 4


def test_what_is_lost_is_told(tmp_path: Path):
    environment = {**python_environment(), "GROVE_TRACE_SIZE": "16K"}
    trace = traced(tmp_path / "x.pftrace", PYTHON, "-c", TURNS, env=environment)
    assert (trace.lost, trace.first) == ({1}, set())
    count, _, rest = trace.hubs()[0].description.partition(" ")
    assert int(count) > 5000 and rest == "events before these are lost"
    assert "main 1" in trace.rows()


def test_the_file_of_a_forked_child(tmp_path: Path):
    program = (
        "import os, sys, grove\n"
        "grove.sleep(0.001)\n"
        "pid = os.fork()\n"
        "grove.sleep(0.001)\n"
        "if pid: os.waitpid(pid, 0); print(pid)\n"
    )
    path = tmp_path / "x.pftrace"
    result = run("-o", path, PYTHON, "-c", program, env=python_environment())
    assert (result.returncode, result.stderr) == (0, FOR.format(path))
    pid = int(result.stdout)
    assert PerfettoTrace(Path(f"{path}.{pid}")).pid == pid != PerfettoTrace(path).pid


# ---- what the command says --------------------------------------------------------


def test_a_full_disk_is_told(tmp_path: Path):
    path = tmp_path / "full.pftrace"
    path.symlink_to("/dev/full")
    result = run("-o", path, EXAMPLES / "switch_order")
    assert result.returncode == 0
    assert result.stderr == f'grove: no trace: cannot write "{path}": No space left on device\n'


def test_a_page_is_made_of_json(tmp_path: Path):
    path = tmp_path / "x.pftrace"
    traced(path, EXAMPLES / "switch_order")
    result = run("--html", tmp_path / "page", path)
    assert result.returncode == 1
    why = "a page is made of JSON; https://ui.perfetto.dev shows this"
    assert result.stderr == f"grove: trace: cannot read {path}: {why}\n"
    assert os.listdir(tmp_path) == [path.name]
