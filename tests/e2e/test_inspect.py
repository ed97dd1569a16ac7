"""`grove ps`, `grove bt`, `grove top`, `grove stat`: what is in a running process, read from outside."""

import ctypes
import inspect
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

COMMAND = BUILD / "tool" / "grove"
HERE = ROOT / "tests" / "e2e"
PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)


def grove(*words: str | int | Path, **options) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def told(*words: str | int | Path) -> str:
    """What it says, where nothing is wrong."""
    result = grove(*words)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def compiled(source: str, folder: Path, *options: str | Path) -> Path:
    """A program of this folder, linked with the build's shared library."""
    path = folder / Path(source).stem
    libraries = options or (f"-L{BUILD / 'src'}", "-lgrove", f"-Wl,-rpath,{BUILD / 'src'}")
    command = ["cc", "-g", "-O1", f"-I{ROOT / 'include'}", "-o", path, HERE / source]
    subprocess.check_call([*command, *libraries, "-pthread"])
    return path


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("inspect")
    made: dict[str, Path] = {}

    def program(source: str) -> Path:
        if source not in made:
            made[source] = compiled(source, folder)
        return made[source]

    return program


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """start(command): a process that has said "parked"; ended with the test."""
    started: list[subprocess.Popen] = []

    def start_process(*command: str | Path, **options) -> subprocess.Popen:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        assert process.stdout.readline() == "parked\n"
        return process

    yield start_process
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def parked(programs: Callable, start: Callable) -> subprocess.Popen:
    process = start(programs("parked_fibers.c"))
    settled(process.pid, 4)
    return process


def python_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(BUILD / "python"), "PYTHONIOENCODING": "utf-8"}


#: Where the columns of a row end: thread, fiber, state, for, waits for, descriptor.
COLUMNS = (8, 17, 26, 35, 50, 56)


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """By name: what the other columns say."""
    found = {}
    for line in text.splitlines()[1:-1]:
        columns = zip((0, *COLUMNS), COLUMNS)
        found[line[COLUMNS[-1] :].strip()] = tuple(line[i:j].strip() for i, j in columns)
    return found


# ---- ps ----------------------------------------------------------------------------


def test_ps_tells_what_fibers_wait_for(parked: subprocess.Popen):
    text = told("ps", parked.pid)
    listed = rows(text)
    assert set(listed) == {"main", "reader", "sleeper", "second"}
    thread, _, state, age, what, descriptor = listed["reader"]
    assert (thread, state, what) == (str(parked.pid), "parked", "read")
    assert os.path.exists(f"/proc/{parked.pid}/fd/{descriptor}") and age
    assert listed["sleeper"][4:] == ("sleep", "")
    assert listed["second"][0] != thread, "it is of another thread"
    assert text.splitlines()[-1] == "4 fibers: 4 parked; waiting: 2 event, 1 read, 1 sleep"


def test_ps_writes_json(parked: subprocess.Popen):
    data = json.loads(told("ps", "--json", parked.pid))
    assert (data["pid"], data["states"]) == (parked.pid, {"parked": 4})
    assert data["waits"] == {"event": 2, "read": 1, "sleep": 1}
    (reader,) = (f for f in data["fibers"] if f["name"] == "reader")
    assert reader["what"] == "read" and reader["descriptor"] >= 0
    assert 0 < reader["since"] <= time.monotonic_ns()


def test_ps_lists_those_that_are_wanted(parked: subprocess.Popen):
    text = told("ps", "-n", 2, parked.pid)
    assert len(rows(text)) == 2 and text.splitlines()[-1].startswith("4 fibers")
    assert rows(told("ps", "--state", "ready", parked.pid)) == {}
    assert len(rows(told("ps", "--state", "parked", parked.pid))) == 4


GREENLETS = """
import grove
from grove import socket

def worker():
    grove.sleep(1000)  # worker

class Job(grove.Greenlet):
    def _run(self):
        a, b = socket.socketpair()
        print("parked", flush=True)
        a.recv(1)  # job

def deep(n):
    if n == 0:
        return (
            grove.sleep(
                1000)  # deep
        )
    deep(n - 1)  # deeper

def generate():
    yield from generated()  # generate

def generated():
    grove.sleep(1000)  # generated
    yield 1

spawned = [grove.spawn(worker), grove.spawn(deep, 5), grove.spawn(lambda: list(generate()))]
spawned[0].name = "J\u00e4ger \u4e16\u754c"
spawned[1].minimal_ident
grove.spawn_raw(worker)
spawned.append(Job.spawn())
grove.joinall(spawned)  # main
"""


def line_of(mark: str) -> int:
    (line,) = (i for i, text in enumerate(GREENLETS.splitlines(), 1) if text.endswith(f"# {mark}"))
    return line


@pytest.fixture
def greenlets(tmp_path: Path, start: Callable) -> subprocess.Popen:
    program = tmp_path / "program.py"
    program.write_text(GREENLETS)
    return start(PYTHON, program, env=python_environment())


def settled(pid: int, parked: int) -> str:
    """The list, once that many fibers are parked."""
    end = time.monotonic() + 60
    while True:
        text = told("ps", pid)
        if f" {parked} parked" in text.splitlines()[-1]:
            return text
        assert time.monotonic() < end, text


def test_ps_tells_names_and_lines_of_greenlets(greenlets: subprocess.Popen):
    listed = rows(settled(greenlets.pid, 6))
    assert set(listed) == {
        f"main - <module> program.py:{line_of('main')}",
        f"J\u00e4ger \u4e16\u754c: worker - worker program.py:{line_of('worker')}",
        f"worker - worker program.py:{line_of('worker')}",
        f"deep, minimal_ident 0 - deep program.py:{line_of('deep') - 1}",
        f"<lambda> - generated program.py:{line_of('generated')}",
        f"Job - Job._run program.py:{line_of('job')}",
    }


FORKS = """
import grove, sys
def before(): grove.sleep(1000)
def after(): grove.sleep(1000)
grove.spawn(before)
grove.sleep(0)
child = grove.fork()
if child == 0:
    grove.spawn(after)
    grove.sleep(0)
    print("parked", flush=True)
    sys.stdin.readline()
    grove.sleep(1000)
print(child, file=sys.stderr, flush=True)
grove.sleep(1000)
"""


def test_a_forked_child_has_fibers_of_its_own(start: Callable):
    parent = start(PYTHON, "-c", FORKS, env=python_environment(), stderr=subprocess.PIPE, start_new_session=True)
    try:
        child = int(parent.stderr.readline())
        listed = rows(told("ps", child))
        assert {name.split(" - ")[0] for name in listed} == {"main", "before", "after"}
        assert {thread for thread, *_ in listed.values()} == {str(child)}
        assert "after" not in told("ps", parent.pid)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)


# ---- bt ----------------------------------------------------------------------------


def number_of(pid: int, name: str) -> str:
    return next(row[1] for label, row in rows(told("ps", pid)).items() if label.startswith(name))


def test_bt_unwinds_c(parked: subprocess.Popen):
    text = told("bt", parked.pid, number_of(parked.pid, "reader"))
    assert re.match(r'fiber \d+ of thread \d+, "reader", parked in read on descriptor \d+ for ', text)
    functions = re.findall(r"^#\d+ +(\w+)", text, re.M)
    at = functions.index("grove_read")
    assert functions[at + 1 : at + 6] == ["park_deep_inside"] * 4 + ["reader"]
    if "?" not in text:
        assert re.search(r"park_deep_inside.*parked_fibers\.c:17$", text, re.M)


def test_bt_of_all_and_of_a_thread(parked: subprocess.Popen):
    text = told("bt", parked.pid, "all")
    assert len(re.findall("^fiber ", text, re.M)) == 4
    for function in ("sleeper", "reader", "second_hub", "main"):
        assert re.search(rf"^#\d+ +{function}\b", text, re.M), text
    thread = rows(told("ps", parked.pid))["second"][0]
    text = told("bt", "--thread", thread, parked.pid, "all")
    assert '"second"' in text and len(re.findall("^fiber ", text, re.M)) == 1


def test_bt_tells_lines_of_python(greenlets: subprocess.Popen):
    settled(greenlets.pid, 6)
    text = told("bt", greenlets.pid, number_of(greenlets.pid, "deep"))
    frames = re.findall(r"^#\d+ +(\S+)  .*/program\.py:(\d+)$", text, re.M)
    deeper = [("deep", str(line_of("deeper")))] * 5
    assert frames == [("deep", str(line_of("deep") - 1)), *deeper]
    text = told("bt", greenlets.pid, number_of(greenlets.pid, "<lambda>"))
    assert re.findall(r"^#\d+ +(\S+)", text, re.M) == ["generated", "generate", "<lambda>"]
    text = told("bt", "--native", greenlets.pid, number_of(greenlets.pid, "Job"))
    assert text.index("Job._run") < text.index("in C:") < text.index("net_recv")


#: It never lets another run.
COMPUTES = """
import grove
def outer():
    inner()
def inner():
    print("parked", flush=True)
    while True:
        pass
grove.spawn(outer)
grove.sleep(1000)
"""


def test_bt_tells_where_a_greenlet_runs(start: Callable):
    process = start(PYTHON, "-c", COMPUTES, env=python_environment())
    text = told("ps", "--state", "running", process.pid)
    assert " outer - inner <string>:" in text
    text = told("bt", process.pid, number_of(process.pid, "outer"))
    assert re.findall(r"^#\d+ +(\S+)", text, re.M) == ["inner", "outer"]


# ---- top ---------------------------------------------------------------------------


def pictures(text: str) -> list[tuple[list[str], dict[str, list[str]]]]:
    """Of each: the hub's columns, and the fibers' by their last word."""
    found = []
    for picture in text.strip().split("process ")[1:]:
        lines = picture.splitlines()
        head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["THREAD", "FIBER"])
        fibers = [line.split() for line in lines[head + 1 :] if line.strip()]
        found.append((lines[3].split(), {words[-1]: words for words in fibers}))
    return found


def cpu_of(words: list[str]) -> float:
    return float(words[3])


def test_top_tells_who_takes_the_time(programs: Callable, start: Callable):
    process = start(programs("busy_fibers.c"))
    shown = pictures(told("top", "-b", "-n", 3, "-d", 0.7, process.pid))
    assert len(shown) == 3
    for hub, fibers in shown:
        assert set(fibers) == {"main", "long", "short", "sleeper"}
        assert hub[0] == str(process.pid) and float(hub[1]) > 0
        shares = [cpu_of(words) for words in fibers.values()]
        assert shares == sorted(shares, reverse=True), "by processor time"
        assert cpu_of(fibers["sleeper"]) == 0
        assert sum(shares) <= float(hub[1]) + 1, "what is left is the hub's own"
    # On a busy machine a single picture may be of few turns.
    long = sum(cpu_of(fibers["long"]) for _, fibers in shown)
    short = sum(cpu_of(fibers["short"]) for _, fibers in shown)
    assert long > short and long + short > 0.5 * sum(float(hub[1]) for hub, _ in shown)


def test_top_tells_who_could_run_and_does_not(programs: Callable, start: Callable):
    process = start(programs("busy_fibers.c"), "crowd")
    (_, fibers), *_ = pictures(told("top", "-b", "-n", 1, process.pid))
    ready = [float(words[4]) for name, words in fibers.items() if name.startswith("crowd")]
    assert len(ready) == 4 and min(ready) > 25


def test_top_tells_who_holds_a_hub_up(start: Callable):
    process = start(PYTHON, "-c", COMPUTES, env=python_environment())
    time.sleep(0.2)  # no event: so long nobody else has had a turn
    text = told("top", "-b", "-n", 1, "-d", 0.3, process.pid)
    assert re.search(r"held up for [\d.]+ s by fiber \d+ outer - inner <string>:\d+$", text, re.M), text


#: Of the columns of a hub.
SWITCHES, POLLS, STALLS = 2, 3, -1


def stalls_shown(pid: int, pictures_wanted: int) -> list[int]:
    return [int(hub[STALLS]) for hub, _ in pictures(told("top", "-b", "-n", pictures_wanted, pid))]


def test_top_counts_stalls(programs: Callable, start: Callable):
    """Of 0.3 s every 2 s, whether one goes on when a picture is made or not."""
    environment = {**os.environ, "GROVE_STALLS": "100"}
    process = start(programs("ticking_fibers.c"), "1700", "300", env=environment, stderr=subprocess.DEVNULL)
    first, _, last = stalls_shown(process.pid, 3)
    assert last > first
    found = numbers(told("stat", process.pid))["grove_stalls_total"]
    assert last <= sum(found.values()) <= last + 2


def test_top_counts_no_stalls_where_there_are_none(programs: Callable, start: Callable):
    environment = {**os.environ, "GROVE_STALLS": "10000"}
    process = start(programs("ticking_fibers.c"), "10", "20", env=environment)
    assert stalls_shown(process.pid, 1) == [0]


def rounds(process: subprocess.Popen) -> int:
    """How often its fiber has slept."""
    process.stdin.write("x")
    process.stdin.flush()
    return int(process.stdout.readline())


def test_top_tells_how_often_hubs_switch_and_poll(programs: Callable, start: Callable):
    process = start(programs("ticking_fibers.c"), "5", "0")
    began, before = time.monotonic(), rounds(process)
    ((hub, _),) = pictures(told("top", "-b", "-n", 1, "-d", 2, process.pid))
    a_second = (rounds(process) - before) / (time.monotonic() - began)
    assert a_second > 1, "it goes on"
    # A round is a switch to the fiber and one back, and a poll or two for its timer.
    assert a_second < float(hub[SWITCHES]) < 4 * a_second
    assert 0.5 * a_second < float(hub[POLLS]) < 6 * a_second


def test_top_leaves_who_sleeps_alone(parked: subprocess.Popen):
    text = told("top", "-b", "-n", 1, "-d", 0.3, parked.pid)
    assert "held up" not in text
    ((hub, fibers),) = pictures(text)
    assert set(fibers) == {"main", "reader", "sleeper", "second"}
    assert cpu_of(fibers["reader"]) == 0


def test_top_ends_with_the_process(programs: Callable, start: Callable):
    process = start(programs("parked_fibers.c"))
    look = subprocess.Popen([COMMAND, "top", "-b", "-d", "0.05", str(process.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert look.stdout.readline().startswith(f"process {process.pid}")
    process.kill()
    process.wait()
    _, err = look.communicate(timeout=60)
    assert (look.returncode, err) == (1, f"grove: process {process.pid} has ended\n")


class Terminal:
    """A terminal in which the command runs."""

    def __init__(self, *words: str | int):
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (20, 100)) if hasattr(termios, "tcsetwinsize") else None
        self.before = termios.tcgetattr(self.ours)
        command = [COMMAND, *map(str, words)]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.text = ""

    def see(self, wanted: str) -> str:
        """What was shown until then, that included."""
        end = time.monotonic() + 60
        while wanted not in self.text:
            assert select.select([self.ours], [], [], end - time.monotonic())[0], self.text
            self.text += os.read(self.ours, 65536).decode()
        seen, _, self.text = self.text.partition(wanted)
        return seen + wanted

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self.ours) == self.before


@pytest.fixture
def top(parked: subprocess.Popen) -> Iterator[Terminal]:
    terminal = Terminal("top", "-d", "0.1", parked.pid)
    terminal.see("\x1b[?1049h")
    yield terminal
    terminal.process.kill()
    terminal.process.wait()
    os.close(terminal.ours)


def test_top_has_keys(top: Terminal):
    top.see("by processor time")
    top.see("reader")
    assert not top.is_as_before(), "keys come one by one"
    for order in ("time ready", "time waited", "number", "processor time"):
        top.press("s")
        top.see(f"by {order}")
    top.press("/slep")
    top.see("with: slep_")
    top.press("\x7f\x7fe")
    top.see("with: sle_")
    top.press("\n")
    top.see("\x1b[H")
    shown = top.see("\x1b[J")
    assert "sleeper" in shown and "reader" not in shown
    top.press("/\x1b")
    top.see("reader")
    top.press("q")
    top.see("\x1b[?1049l")
    assert top.process.wait(60) == 0 and top.is_as_before()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_top_gives_the_terminal_back_when_it_is_ended(top: Terminal, number: int):
    top.see("reader")
    top.process.send_signal(number)
    top.see("\x1b[?1049l")
    assert top.process.wait(60) == -number and top.is_as_before()


def test_top_gives_the_terminal_back_while_it_is_stopped(top: Terminal):
    top.see("reader")
    # A process group without a parent in its session is not stopped by SIGTSTP:
    # that it has given the terminal back and taken it again is what is left.
    top.process.send_signal(signal.SIGTSTP)
    top.see("\x1b[?1049l")
    top.process.send_signal(signal.SIGCONT)
    top.see("\x1b[?1049h")
    top.see("reader")
    top.press("q")
    assert top.process.wait(60) == 0 and top.is_as_before()


# ---- stat --------------------------------------------------------------------------

SAMPLE = re.compile(r'([a-z_]+)(?:{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)})? (\S+)')


def numbers(text: str) -> dict[str, dict[str, float]]:
    """By name, and by labels. Every metric has its HELP and TYPE before it, once."""
    found: dict[str, dict[str, float]] = {}
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in kinds and kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            family = re.sub("_(bucket|sum|count)$", "", name)
            assert name in kinds or kinds[family] == "histogram"
            assert labels not in found.setdefault(name, {})
            found[name][labels] = float(value)
    return found


def of_hub(found: dict[str, dict[str, float]], name: str, thread: int) -> float:
    (value,) = (v for k, v in found[f"grove_hub_{name}"].items() if f'thread="{thread}"' in k)
    return value


def test_stat_tells_numbers(parked: subprocess.Popen):
    found = numbers(told("stat", parked.pid))
    assert len(found["grove_hub_fibers"]) == 2
    assert of_hub(found, "fibers", parked.pid) == 2
    assert of_hub(found, "fibers_spawned_total", parked.pid) == 2
    assert of_hub(found, "fibers_ended_total", parked.pid) == 0
    assert of_hub(found, "timers", parked.pid) == 1
    assert of_hub(found, "descriptor_waits", parked.pid) == 1
    assert of_hub(found, "turn_seconds", parked.pid) == 0, "it sleeps"
    assert of_hub(found, "dns_questions_total", parked.pid) == 0
    assert of_hub(found, "polls_total", parked.pid) >= 1
    assert of_hub(found, "offloads_total", parked.pid) == 0
    waits = {
        re.search('kind="(.*?)"', labels)[1]: count
        for labels, count in found["grove_hub_waits_total"].items()
        if f'thread="{parked.pid}"' in labels
    }
    assert waits["sleep"] == waits["descriptor"] == 1 and waits["name"] == 0
    assert found["grove_fibers"]['state="parked"'] == 4
    assert found["grove_fibers_waiting"] == {'reason="event"': 2, 'reason="read"': 1, 'reason="sleep"': 1}


def test_stat_counts_polls_and_calls_of_worker_threads(programs: Callable, start: Callable):
    process = start(programs("ticking_fibers.c"), "1", "0", "7")
    assert of_hub(numbers(told("stat", process.pid)), "offloads_total", process.pid) == 7
    before, began = of_hub(numbers(told("stat", process.pid)), "polls_total", process.pid), rounds(process)
    while rounds(process) < began + 50:
        time.sleep(0.01)  # no event: it sleeps meanwhile, by a poll each time
    found = numbers(told("stat", process.pid))
    assert before + 50 <= of_hub(found, "polls_total", process.pid) < before + 50 * 100
    assert of_hub(found, "offloads_total", process.pid) == 7


def test_stat_tells_delays(programs: Callable, start: Callable):
    process = start(programs("busy_fibers.c"), "crowd")
    end = time.monotonic() + 60
    while True:
        found = numbers(told("stat", process.pid))
        count = of_hub(found, "run_queue_delay_seconds_count", process.pid)
        if count >= 10:
            break
        assert time.monotonic() < end
    buckets = found["grove_hub_run_queue_delay_seconds_bucket"]
    values = list(buckets.values())
    assert values == sorted(values) and values[-1] == count
    limits = [float(re.search('le="(.*?)"', labels)[1]) for labels in buckets]
    assert limits == sorted(limits) and limits[-1] == float("inf")
    total = of_hub(found, "run_queue_delay_seconds_sum", process.pid)
    longest = of_hub(found, "run_queue_delay_longest_seconds", process.pid)
    assert 0.002 < longest <= total


def test_stat_tells_of_a_hub_that_is_held_up(start: Callable):
    process = start(PYTHON, "-c", COMPUTES, env=python_environment())
    before = of_hub(numbers(told("stat", process.pid)), "turn_seconds", process.pid)
    time.sleep(0.2)  # no event: so long nobody else has had a turn
    after = of_hub(numbers(told("stat", process.pid)), "turn_seconds", process.pid)
    assert after >= before + 0.2


# ---- lines -------------------------------------------------------------------------


def codes(of: types.CodeType) -> Iterator[types.CodeType]:
    yield of
    for const in of.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes(const)


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Some of the command's own, to be called."""
    library = tmp_path_factory.mktemp("functions") / "functions.so"
    sources = [ROOT / "tool" / "look" / f"{name}.c" for name in ("linetable", "utf8")]
    sources += [ROOT / "src/trace/utf8.c"]
    includes = [f"-I{ROOT / name}" for name in ("tool", "src")]
    subprocess.check_call(["cc", "-shared", "-fPIC", *includes, "-o", library, *sources])
    return ctypes.CDLL(str(library))


@pytest.fixture(scope="module")
def line_decoder(functions: ctypes.CDLL) -> Callable[[bytes, int, int], int]:
    function = functions.linetable_line
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint64]
    return lambda table, first, unit: function(table, len(table), first, unit)


@pytest.mark.parametrize("module", [inspect, subprocess, re, shutil, json.decoder, types])
def test_lines_are_those_that_python_tells(module: types.ModuleType, line_decoder: Callable):
    source = Path(inspect.getsourcefile(module)).read_text()
    seen = 0
    for code in codes(compile(source, "x", "exec")):
        for unit, (line, *_) in enumerate(code.co_positions()):
            assert line_decoder(code.co_linetable, code.co_firstlineno, unit) == (line or -1)
            seen += 1
    assert seen > 100


def test_tables_of_lines_may_be_anything(line_decoder: Callable):
    code = compile("def f():\n    pass\n", "x", "exec")
    table = code.co_linetable
    assert line_decoder(table, 1, 10**9) == -1, "it is behind the end"
    assert line_decoder(b"", 1, 0) == -1
    for size in range(len(table)):
        line_decoder(table[:size], 1, 5)
    for byte in range(256):
        line_decoder(bytes([byte]) * 50, 2**31 - 1, 40)


@pytest.mark.parametrize(
    "text, shown",
    [
        (b"plain", b"plain"),
        ("J\u00e4ger \u4e16 \U0001f600".encode(), "J\u00e4ger \u4e16 \U0001f600".encode()),
        (b"\x1b[31mred\x07", b"?[31mred?"),
        ("\x9b31m".encode(), b"??31m"),
        (b"cut \xe4\xb8", b"cut ??"),
        (b"\xff\xc0\x80\xf8", b"????"),
        (b"\xed\xa0\x80\xf4\x90\x80\x80", b"???????"),
    ],
)
def test_names_tell_a_terminal_nothing(text: bytes, shown: bytes, functions: ctypes.CDLL):
    room = ctypes.create_string_buffer(text)
    functions.utf8_clean(room)
    assert room.value == shown


# ---- what cannot be looked at --------------------------------------------------------


@pytest.mark.parametrize("command", [["ps"], ["bt"], ["top"], ["stat"]])
@pytest.mark.parametrize(
    "pid, why",
    [
        ("x", "PID 'x': expected the number of a process"),
        ("-5", "no option '-5'"),
        ("0", "PID '0': expected the number of a process"),
        ("1e3", "PID '1e3': expected the number of a process"),
        ("99999999999999999999", "PID '99999999999999999999': expected the number of a process"),
        ("4194305", "there is no process 4194305"),
    ],
)
def test_what_is_no_process_is_refused(command: list[str], pid: str, why: str):
    result = grove(*command, pid, *(["1"] if command == ["bt"] else []))
    if pid == "4194305":
        assert (result.returncode, result.stdout, result.stderr) == (1, "", f"grove: {why}\n")
    else:
        (name,) = command
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == f"grove: {name}: {why}; see 'grove {name} --help'\n"


def test_a_process_without_grove_is_told(start: Callable):
    process = start("sh", "-c", "echo parked; read x")
    result = grove("ps", process.pid)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"grove: process {process.pid} does not use Grove\n"


STATES = "new, ready, running, parked or stranded"
FIBER = "the number of a fiber, or all"


@pytest.mark.parametrize(
    "words, why",
    [
        ("ps", "PID is missing"),
        ("ps --nope 1", "no option '--nope'"),
        ("ps -xn 1", "no option '-x'"),
        ("ps --json=x 1", "no option '--json=x'"),
        ("ps --state foo 1", f"--state 'foo': expected {STATES}"),
        ("ps --state", f"--state '': expected {STATES}"),
        ("ps -n x 1", "-n 'x': expected a whole number"),
        ("ps -n -1 1", "-n '-1': expected a whole number"),
        ("ps 1 2", "one argument too many, '2'"),
        ("bt 1", "FIBER is missing"),
        ("bt 1 x", f"FIBER 'x': expected {FIBER}"),
        ("bt 1 0", f"FIBER '0': expected {FIBER}"),
        ("bt 1 1 all", "one argument too many, 'all'"),
        ("bt --thread x 1 1", "--thread 'x': expected the number of a thread"),
        ("top -n x 1", "-n 'x': expected a whole number above 0"),
        ("top -n 0 1", "-n '0': expected a whole number above 0"),
        ("top -d 0 1", "-d '0': expected 0.01 to 86400 seconds"),
        ("top -d -1 1", "-d '-1': expected 0.01 to 86400 seconds"),
        ("top -d nan 1", "-d 'nan': expected 0.01 to 86400 seconds"),
        ("top -d", "-d '': expected 0.01 to 86400 seconds"),
        ("stat", "PID is missing"),
        ("stat -b 1", "no option '-b'"),
    ],
)
def test_bad_use_is_told(words: str, why: str):
    result = grove(*words.split())
    name = words.split()[0]
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"grove: {name}: {why}; see 'grove {name} --help'\n"


def test_a_fiber_that_is_not_there_is_told(parked: subprocess.Popen):
    pid = parked.pid
    for words, why in [
        ([pid, 999], "fiber 999"),
        (["--thread", pid, pid, 999], f"fiber 999 on thread {pid}"),
        (["--thread", 1, pid, 1], "fibers on a thread 1"),
        (["--thread", 1, pid, "all"], "fibers on a thread 1"),
    ]:
        result = grove("bt", *words)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"grove: process {pid} has no {why}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run it as root")
def test_another_users_process_is_refused(parked: subprocess.Popen, tmp_path: Path):
    """The command runs as nobody, who may not reach the checkout: as a copy."""
    folder = Path("/tmp") / f"grove-inspect-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        shutil.copy(COMMAND, folder / "grove")
        shutil.copy(BUILD / "src" / "libgrove.so.0", folder / "libgrove.so.0")
        result = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder / "grove"]
            + ["ps", str(parked.pid)],
            capture_output=True,
            text=True,
            env={"LD_LIBRARY_PATH": str(folder), "PATH": os.environ["PATH"]},
        )
    finally:
        shutil.rmtree(folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"grove: process {parked.pid} belongs to user 0, and this is user 65534: "
        "run grove as that user, or as root\n"
    )


# ---- how the program is linked ---------------------------------------------------------


@pytest.mark.parametrize("how", ["static", "stripped", "deleted"])
def test_a_program_is_known_however_it_is_linked(how: str, tmp_path: Path, start: Callable):
    flags = os.environ.get("PKG_CONFIG_LIBS", "-lcares -luring").split()
    uses = subprocess.run(["ldd", BUILD / "src" / "libgrove.so.0"], capture_output=True, text=True).stdout
    flags = [flag for flag in flags if f"lib{flag[2:]}.so" in uses]
    program = compiled("parked_fibers.c", tmp_path, BUILD / "src" / "libgrove.a", *flags)
    if how == "stripped":
        subprocess.check_call(["strip", program])
    process = start(program)
    if how == "deleted":
        program.unlink()
    assert set(rows(told("ps", process.pid))) == {"main", "reader", "sleeper", "second"}
    text = told("bt", process.pid, number_of(process.pid, "reader"))
    assert len(re.findall(r"^#\d+ ", text, re.M)) >= 2


#: What the library's table begins with.
VERSION = re.search(r"HUB_LAYOUT_VERSION (\d+)", (ROOT / "src" / "hub" / "layout.h").read_text())
LAYOUT = b"GVLayout" + int(VERSION[1]).to_bytes(4, "little")


def test_another_layout_is_refused(programs: Callable, start: Callable, tmp_path: Path):
    """A library whose table says another version."""
    library = tmp_path / "libgrove.so.0"
    data = (BUILD / "src" / "libgrove.so.0").read_bytes()
    assert data.count(LAYOUT) == 1
    library.write_bytes(data.replace(LAYOUT, b"GVLayout" + (77).to_bytes(4, "little")))
    process = start(programs("parked_fibers.c"), env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "LD_PRELOAD": str(library)})
    result = grove("ps", process.pid)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(rf"grove: process {process.pid} has Grove \S+ \(layout 1\.77 .*cannot read.*\n", result.stderr)


# ---- with sanitizers ------------------------------------------------------------------


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command under ASan and UBSan, without libdw: its stacks are guessed."""
    path = tmp_path_factory.mktemp("sanitized") / "look"
    sources = [ROOT / "tool" / f"{name}.c" for name in ("bt", "ps", "stat", "top")]
    sources += [*(ROOT / "tool" / "look").glob("*.c"), ROOT / "src/metrics/text.c", ROOT / "src/trace/utf8.c"]
    folders = [f"-I{ROOT / name}" for name in ("tool", "src", "include", "python/src")]
    flags = ["-g", "-O1", "-D_GNU_SOURCE", "-DGROVE_LIBDW=0"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = ["cc", *flags, *folders, "-o", path, HERE / "look_main.c", *sources]
    subprocess.check_call(command)
    return path


LOOKS = [["ps"], ["ps", "--json"], ["bt"], ["stat"], ["top", "-b", "-n", "1", "-d", "0.05"]]


def look_at(command: Path, words: list[str], pid: int) -> subprocess.CompletedProcess[str]:
    rest = [str(pid), "all"] if words == ["bt"] else [str(pid)]
    everything = [command, *words, *rest]
    return subprocess.run(everything, capture_output=True, text=True, timeout=120, errors="replace")


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_no_error_is_found_by_sanitizers(
    words: list[str], sanitized: Path, programs: Callable, start: Callable, greenlets: subprocess.Popen
):
    churning = start(programs("churning_fibers.c"))
    for process in (greenlets, start(programs("parked_fibers.c")), *[churning] * 10):
        result = look_at(sanitized, words, process.pid)
        assert (result.returncode, result.stderr) == (0, "")


def test_stacks_are_guessed_without_tables(sanitized: Path, parked: subprocess.Popen):
    text = look_at(sanitized, ["bt"], parked.pid).stdout
    assert text.count("park_deep_inside+") == 4 and re.search(r"^#\d+ +reader\+0x\w+ \?$", text, re.M)


def size_of_table(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 12 : at + 16], "little")


@pytest.mark.parametrize("seed", range(12))
def test_tables_may_say_anything(seed: int, sanitized: Path, programs: Callable, start: Callable, tmp_path: Path):
    """A few words of the library's table are something else: what is read by it is
    nonsense, and nothing worse."""
    chosen = random.Random(seed)
    data = bytearray((BUILD / "src" / "libgrove.so.0").read_bytes())
    at = data.index(LAYOUT)
    words = range(at + 32, at + size_of_table(data, at), 4)
    for place in chosen.sample(words, 3):
        value = chosen.choice([0, 1, 8, 0x7FFFFFFF, 0xFFFFFFFF, chosen.getrandbits(32), chosen.getrandbits(9)])
        data[place : place + 4] = value.to_bytes(4, "little")
    library = tmp_path / "libgrove.so.0"
    library.write_bytes(data)
    process = start(programs("parked_fibers.c"), env={**os.environ, "LD_PRELOAD": str(library)})
    for words in LOOKS:
        result = look_at(sanitized, words, process.pid)
        assert result.returncode in (0, 1), result.stderr
        assert re.fullmatch("(grove: [^\n]*\n)?", result.stderr)


# ---- while it goes on --------------------------------------------------------------------


def held_up(process: subprocess.Popen) -> tuple[int, int]:
    """For how many microseconds its thread was at most, in the kernel and since the
    last call; in how many rounds."""
    process.stdin.write("x")
    process.stdin.flush()
    longest, rounds = map(int, process.stdout.readline().split())
    return longest, rounds


def memory_free() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("n", [100_000, 1_000_000])
@pytest.mark.parametrize("words", [["ps", "-n", 0], ["top", "-b", "-n", 2, "-d", 0.2]], ids=["ps", "top"])
def test_many_fibers_are_counted_and_do_not_notice(n: int, words: list, programs: Callable, start: Callable):
    """None of their turns is held up for a millisecond, though they need memory."""
    if n == 1_000_000 and memory_free() < 8 << 30:
        pytest.skip("a million fibers want 8 GB of memory: free some")
    process = start(programs("many_fibers.c"), str(n))
    for _ in range(3):
        held_up(process)
        text = told(*words, process.pid)
        longest, rounds = held_up(process)
        for picture in text.strip().split("process ")[-2:]:
            assert f"{n + 2} fibers: " in picture and f" {n} event" in picture
        assert longest < 1000 and rounds > 0, "microseconds"


def test_who_maps_memory_is_let_through(programs: Callable, start: Callable):
    """The reader may lose its processor where it holds what a mapping needs, so not
    every look can be short; those in which it does not are."""
    process = start(programs("many_fibers.c"), "20000", "maps")

    def looked_at() -> int:
        held_up(process)
        told("ps", "-n", 0, process.pid)
        return held_up(process)[0]

    looks = sorted(looked_at() for _ in range(30))
    assert looks[4] < 100, f"microseconds: {looks}"


def test_a_process_that_ends_meanwhile_is_no_harm(programs: Callable, start: Callable):
    for delay in (0, 0.001, 0.003, 0.01, 0.03, 0.1):
        process = start(programs("many_fibers.c"), "20000")
        look = subprocess.Popen([COMMAND, "ps", str(process.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(delay)  # no event: anywhere in the middle of it
        process.kill()
        out, err = look.communicate(timeout=60)
        assert look.returncode in (0, 1)
        assert look.returncode == 0 or re.fullmatch(r"grove: [^\n]*\n", err), err


def test_fibers_that_come_and_go_are_read(programs: Callable, start: Callable):
    process = start(programs("churning_fibers.c"))
    seen = 0
    for _ in range(200):
        listed = json.loads(told("ps", "--json", process.pid))
        assert {f["state"] for f in listed["fibers"]} <= {"new", "ready", "running", "parked"}
        assert set(listed["waits"]) <= {"sleep", "event", "join", "others"}
        seen += len(listed["fibers"])
    assert seen > 200
    for _ in range(20):
        assert grove("bt", process.pid, "all").returncode == 0
    assert process.poll() is None
