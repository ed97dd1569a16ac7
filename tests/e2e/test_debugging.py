"""Looking at fibers from outside: gdb, on a process and on a core; SIGUSR2."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

SCRIPT = ROOT / "tools" / "grove-gdb.py"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("debugging") / "parked"
    subprocess.check_call(
        ["cc", "-g", "-O1", f"-I{ROOT / 'include'}", "-o", path]
        + [ROOT / "tests/e2e/parked_fibers.c", f"-L{BUILD / 'src'}", "-lgrove"]
        + [f"-Wl,-rpath,{BUILD / 'src'}", "-pthread"]
    )
    return path


@pytest.fixture
def process(program: Path) -> Iterator[subprocess.Popen]:
    """The program, its fibers parked."""
    process = subprocess.Popen(
        [program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GROVE_DUMP": "1"},
    )
    assert process.stdout.readline() == "parked\n"
    yield process
    process.kill()
    process.communicate()


def gdb(*arguments: str | Path, commands: list[str]) -> str:
    options = [word for command in commands for word in ("-ex", command)]
    return subprocess.run(
        ["gdb", "-nx", "-q", "-batch", *arguments, "-ex", f"source {SCRIPT}", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


def check_list(text: str) -> None:
    assert re.search(r'fiber \d+ "reader" parked in read on descriptor \d+ for', text)
    assert re.search(r'fiber \d+ "sleeper" parked in sleep for', text)
    assert re.search(r'fiber 1 "second" parked in event for', text)
    assert len(re.findall(r"^hub \d", text, re.M)) == 2


def number_of(text: str, name: str) -> str:
    return re.search(rf'fiber (\d+) "{name}"', text)[1]


def test_gdb_lists_and_unwinds_fibers_of_a_process(process: subprocess.Popen):
    pid = str(process.pid)
    listing = gdb("-p", pid, commands=["grove fibers"])
    check_list(listing)
    reader = number_of(listing, "reader")
    stack = gdb("-p", pid, commands=[f"grove bt {reader}"])
    assert stack.count("park_deep_inside (") == 4
    assert re.search(r"^#\d+ .*\breader \(", stack, re.M)
    assert stack.index("grove_read (") < stack.index("park_deep_inside (")
    everything = gdb("-p", pid, commands=["grove bt all"])
    for function in ("sleeper (", "reader (", "second_hub (", "main ("):
        assert function in everything


def test_gdb_reads_a_core(program: Path, process: subprocess.Popen, tmp_path: Path):
    core = tmp_path / "core"
    gdb("-p", str(process.pid), commands=[f"grove gcore {core}"])
    listing = gdb(program, core, commands=["grove fibers"])
    check_list(listing)
    stack = gdb(program, core, commands=[f"grove bt {number_of(listing, 'reader')}"])
    assert stack.count("park_deep_inside (") == 4


def test_gdb_names_what_there_is_not(process: subprocess.Popen):
    said = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-p", str(process.pid)]
        + ["-ex", f"source {SCRIPT}", "-ex", "grove bt 999"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "there is no fiber 999" in said.stderr


def test_sigusr2_has_every_hub_list_its_fibers(process: subprocess.Popen):
    process.send_signal(signal.SIGUSR2)
    fd = process.stderr.fileno()
    text = ""
    wanted = ['"reader" parked in read', '"sleeper" parked', '"second" parked in event']
    while not all(word in text for word in wanted):
        ready, _, _ = select.select([fd], [], [], 20)
        assert ready, text
        text += os.read(fd, 65536).decode()
    assert len(re.findall(r"^grove: fibers of thread \d+$", text, re.M)) == 2
    assert process.poll() is None


GREENLETS = """
import grove, os, signal

def worker():
    grove.sleep(1000)

class Job(grove.Greenlet):
    def _run(self):
        grove.sleep(1000)

spawned = [grove.spawn(worker), grove.spawn(worker), Job.spawn()]
spawned[0].name = "J\u00e4ger"
assert spawned[1].minimal_ident == 0
grove.spawn_raw(worker)
grove.sleep(0)
print("parked", flush=True)
grove.sleep(1000)
"""

NAMES = ["J\u00e4ger: worker", "worker, minimal_ident 0", "Job", "worker"]


@pytest.fixture
def greenlets() -> Iterator[subprocess.Popen]:
    """A Python program, its greenlets parked."""
    process = subprocess.Popen(
        [os.environ.get("GROVE_PYTHON", sys.executable), "-c", GREENLETS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(BUILD / "python"),
            "PYTHONIOENCODING": "utf-8",
            "GROVE_DUMP": "1",
        },
    )
    assert process.stdout.readline() == "parked\n"
    yield process
    process.kill()
    process.communicate()


def check_names(text: str) -> None:
    for name in NAMES:
        assert re.search(rf'^ *fiber \d+ "{name}" parked in sleep for', text, re.M), text


def test_gdb_names_greenlets(greenlets: subprocess.Popen):
    check_names(gdb("-p", str(greenlets.pid), commands=["grove fibers"]))


def test_a_list_of_fibers_names_greenlets(greenlets: subprocess.Popen):
    greenlets.send_signal(signal.SIGUSR2)
    fd = greenlets.stderr.fileno()
    text = b""
    while text.count(b" parked in sleep") < len(NAMES) + 1:
        ready, _, _ = select.select([fd], [], [], 20)
        assert ready, text
        text += os.read(fd, 65536)
    check_names(text.decode())
