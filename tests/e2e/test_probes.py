"""The library's probes: what they are called, and that a tracer stops at them."""

import os
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from build_tree import BUILD

LIBRARY = BUILD / "src" / "libgrove.so.0"
PROGRAM = BUILD / "examples" / "switch_order"
#: Of each, how many arguments it has; in the order in which PROGRAM comes by.
PROBES = {"spawn": 3, "park": 3, "switch": 2, "wake": 3, "end": 2}


def notes() -> str:
    return subprocess.check_output(["readelf", "-nW", LIBRARY], text=True)


with_probes = pytest.mark.skipif(
    "stapsdt" not in notes(),
    reason="the library was built without probes: apt-get install systemtap-sdt-dev",
)


@with_probes
def test_the_notes_name_every_probe_and_its_arguments():
    found = {}
    for note in notes().split("Provider: grove\n")[1:]:
        fields = dict(line.strip().split(": ", 1) for line in note.splitlines()[:3])
        assert int(fields["Location"].rsplit(" ", 1)[1], 16), "semaphore"
        found[fields["Name"]] = len(fields["Arguments"].split())
    assert found == PROBES


@with_probes
def test_a_debugger_stops_at_them():
    """It sets the semaphore, without which none is passed."""
    if not shutil.which("gdb"):
        pytest.skip("a tracer is wanted: apt-get install gdb")
    commands = ["break main", "run"]
    for probe in PROBES:
        commands += [
            f"break -probe-stap grove:{probe}",
            "continue",
            f'printf "{probe} %d %d\\n", $_probe_argc, $_probe_arg0',
            "delete",
        ]
    arguments = [word for command in commands for word in ("-ex", command)]
    said = subprocess.run(
        ["gdb", "-q", "-batch", *arguments, PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
    )
    numbers = {
        line.split()[0]: [int(word) for word in line.split()[1:]]
        for line in said.stdout.splitlines()
        if line.split()[:1] and line.split()[0] in PROBES
    }
    assert {probe: told[0] for probe, told in numbers.items()} == PROBES, said
    # The thread's own stack is the fiber 1, the hub's 2.
    assert numbers["spawn"][1] == 3


@with_probes
def test_perf_lists_them(tmp_path: Path):
    if not shutil.which("perf"):
        pytest.skip("perf is missing: apt-get install linux-perf")
    environment = {**os.environ, "HOME": str(tmp_path)}  # where it keeps what it knows
    perf = ["perf", "--buildid-dir", str(tmp_path / "known")]
    subprocess.run([*perf, "buildid-cache", "--add", LIBRARY], check=True, env=environment, timeout=120)
    said = subprocess.check_output([*perf, "list", "sdt"], text=True, env=environment, timeout=120)
    assert set(re.findall(r"^\s*sdt_grove:(\w+) ", said, re.M)) == set(PROBES)


class Tracer:
    """bpftrace, which tells of each probe that is passed in this library by whom."""

    def __init__(self, library: Path):
        program = "\n".join(
            f'usdt:{library}:grove:{probe} {{ printf("{probe} %d\\n", pid); }}' for probe in PROBES
        )
        self.process = subprocess.Popen(
            ["bpftrace", "-q", "-B", "line", "-e", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # or lines that were read ahead are not seen by select
        )
        self.seen: dict[int, list[str]] = {}

    def read(self, seconds: float) -> bool:
        """Whether there was a line."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return False
        line = self.process.stdout.readline()
        if line.strip():
            probe, pid = line.split()
            self.seen.setdefault(int(pid), []).append(probe.decode())
        return bool(line)

    def stop(self) -> bytes:
        """What it complained of; all that was passed has been seen."""
        self.process.send_signal(signal.SIGINT)
        while self.read(60):
            pass
        return self.process.communicate(timeout=60)[1]


@with_probes
def test_bpftrace_counts_them(tmp_path: Path):
    """In a library of the test's own, which nobody else runs."""
    if not shutil.which("bpftrace"):
        pytest.skip("bpftrace is missing: apt-get install bpftrace")
    library = tmp_path / "libgrove.so.0"
    shutil.copy(LIBRARY, library)
    tracer = Tracer(library)

    def run() -> int:
        environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
        process = subprocess.Popen([PROGRAM], stdout=subprocess.DEVNULL, env=environment)
        assert process.wait(timeout=60) == 0
        return process.pid

    # It says nothing of when it is there.
    while not any(set(seen) == set(PROBES) for seen in tracer.seen.values()):
        run()
        tracer.read(0.1)
        while tracer.read(0):
            pass
        if tracer.process.poll() is not None:
            pytest.skip(f"bpftrace may not trace here: run as root; {tracer.stop()}")
    pid = run()
    while tracer.seen.get(pid, []).count("end") < 2:
        assert tracer.read(60)
    tracer.stop()
    counted = {probe: tracer.seen[pid].count(probe) for probe in PROBES}
    # The thread waits once for both, each of which has three turns: then it is back.
    assert counted == {"spawn": 2, "park": 1, "switch": 7, "wake": 1, "end": 2}
