"""Wall and processor time of a compressor with four threads, whose threads `grove
run` makes fibers of two hubs, beside the same by itself, by turns.

    run_compressors.py pigz|xz|zstd

Both are kept to the same two processors. What is compressed is words, which repeat
themselves after 4 MiB: that is farther than any of the compressors looks back.
"""

import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import peers

CORES = 2
GROVE = [peers.BUILD / "tool" / "grove", "run", "--threads", "--cores", str(CORES)]
ROUNDS = 5
PART = 4 << 20  # bytes of words that repeat themselves


class Compressor(NamedTuple):
    package: str  # Debian's
    arguments: list[str]
    parts: int  # of words


COMPRESSORS = {
    "pigz": Compressor("pigz", ["-p4"], 16),
    # The slowest by far; the least level has blocks enough for four threads.
    "xz": Compressor("xz-utils", ["-T4", "-0"], 4),
    "zstd": Compressor("zstd", ["-T4", "-q"], 16),
}


class Spent(NamedTuple):
    """Seconds of a program."""

    wall: float
    processor: float


def write_words(path: Path, parts: int) -> None:
    """The same each time."""
    chance = random.Random(1)
    words = [chance.randbytes(chance.randint(1, 5)).hex() for _ in range(20_000)]
    part = " ".join(chance.choices(words, k=PART // 4)).encode()[:PART]
    path.write_bytes(part * parts)


def spend(command: list) -> Spent:
    """Run it, without what it prints."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Spent(wall, usage.ru_utime + usage.ru_stime)


def compare(name: str, command: list) -> None:
    """Print the wall time, and the processor time."""
    turns = [(spend([*GROVE, *command]), spend(command)) for _ in range(ROUNDS)]
    for called, of in ((f"run_{name}", "wall"), (f"run_{name}_cpu", "processor")):
        pairs = [(getattr(ours, of), getattr(alone, of)) for ours, alone in turns]
        ratio = median(ours / alone for ours, alone in pairs)
        peers.report(called, min(pairs)[0], "s", ratio, f"{name} by itself")


def missing(name: str) -> str:
    """What is not there, or ""."""
    if platform.machine() != "x86_64":
        return "threads that are fibers, which are for x86-64 only"
    if shutil.which(name) is None:
        return f"{name}: tools/setup bench installs {COMPRESSORS[name].package}"
    return ""


def main(name: str) -> None:
    os.environ["GROVE_STALLS"] = "0"  # computing is what its threads are for
    if absent := missing(name):
        print(f"bench: run_{name}: no {absent}", file=sys.stderr)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "words"
        compressor = COMPRESSORS[name]
        write_words(data, compressor.parts)
        compare(name, [shutil.which(name), *compressor.arguments, "-c", data])


if __name__ == "__main__":
    main(sys.argv[1])
