"""Looking at fibers from outside: gdb, on a process and on a core; SIGUSR2."""

import os
import re
import select
import shutil
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


# ---- by frame pointers ---------------------------------------------------------------

COMPUTES = """
#include <grove.h>

__attribute__((noinline)) static void busy(void)
{
    for (volatile long i = 0; i < 200000000; i++)
        ;
}

static void *work(void *arg)
{
    busy();
    return arg;
}

int main(void)
{
    grove_fiber *fiber;
    return grove_spawn(&fiber, work, NULL) || grove_join(fiber, NULL);
}
"""


def has_frame_pointers() -> bool:
    """Of ucontext the root is libc's."""
    table = subprocess.check_output(["readelf", "-sW", BUILD / "src" / "libgrove.so.0"], text=True)
    return "grove_context_start" in table


with_root = pytest.mark.skipif(
    not has_frame_pointers(), reason="the root is made in assembly: build with -Dcontext=asm"
)


@with_root
def test_perf_sees_nothing_behind_a_fiber(tmp_path: Path):
    """As it is called without options: by frame pointers."""
    source, program, data = (tmp_path / name for name in ("c.c", "c", "perf.data"))
    source.write_text(COMPUTES)
    subprocess.check_call(
        ["cc", "-g", "-O1", "-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer", f"-I{ROOT / 'include'}", "-o", program]
        + [source, f"-L{BUILD / 'src'}", "-lgrove", f"-Wl,-rpath,{BUILD / 'src'}"]
    )
    if not shutil.which("perf"):
        pytest.skip("perf is missing: apt-get install linux-perf")
    record = ["perf", "record", "-e", "cpu-clock:u", "-g", "-o", data, program]
    recorded = subprocess.run(record, capture_output=True, text=True, timeout=120)
    if recorded.returncode != 0:
        pytest.skip(f"perf may not sample here: {recorded.stderr.strip()}")
    said = subprocess.check_output(
        ["perf", "script", "-i", data, "-F", "ip,sym", "--comms", "c"], text=True, timeout=120
    )
    stacks = [re.findall(r"^\s*[0-9a-f]+ (\S+)$", stack, re.M) for stack in said.split("\n\n")]
    computing = [stack for stack in stacks if "busy" in stack]
    assert computing, said
    for stack in computing:
        # In a prologue the caller is not there yet.
        assert stack in (
            ["busy", "work", "entry", "grove_context_start"],
            ["busy", "entry", "grove_context_start"],
        )


#: Where the interpreter is called, each frame above is followed to a zero.
FOLLOW = """
set debuginfod enabled off
set breakpoint pending on
break {function}
run
tbreak *{callee}
continue
set $frame = (unsigned long *)$rbp
while $frame
  info symbol $frame[1]
  set $frame = (unsigned long *)$frame[0]
end
"""


@with_root
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="it reads rbp: run it on x86-64")
@pytest.mark.parametrize(
    "function, callee, ours",
    [
        ("run_body", "PyObject_Call", ["run_body", "green_entry"]),
        ("green_call", "PyObject_Vectorcall", ["green_call", "run_to_the_end", "green_body", "green_entry"]),
    ],
)
def test_the_frames_of_a_greenlet_are_a_chain(
    function: str, callee: str, ours: list[str], tmp_path: Path
):
    """Between the root and the interpreter, whatever that has."""
    script = tmp_path / "follow"
    script.write_text(FOLLOW.format(function=function, callee=callee))
    how = {"run_body": "grove.spawn_raw(list); grove.sleep(0)", "green_call": "grove.spawn(list).join()"}
    said = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-x", script, "--args"]
        + [os.environ.get("GROVE_PYTHON", sys.executable), "-c"]
        + [f"import grove; {how[function]}"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(BUILD / "python")},
    )
    chain = re.findall(r"^(\w+)(?: \+ \d+)? in section", said.stdout, re.M)
    assert chain[-1:] == ["grove_context_start"], said.stdout + said.stderr
    # Those that the compiler has put into their callers have no frame of their own.
    assert chain[:-1] == [name for name in ours if name in chain]
    assert chain[-2] == "green_entry"
