"""Programs of POSIX threads, compiled as they are, whose threads are fibers.

A library that is preloaded stands in front of libc's functions: each program's
threads are then one task of the kernel, or as many as there are hubs, and what it
prints is what it prints without.
"""

import os
import subprocess

import pytest

from build_tree import BUILD

PROGRAMS = BUILD / "tests" / "threads"
PRELOAD = PROGRAMS / "libthreads_preload.so"


def run(program: str, count: int, **environ: str) -> tuple[str, int]:
    """What the program says, and how many tasks it had while all waited."""
    path = PROGRAMS / program
    if not path.exists():
        pytest.skip(f"{program} is built on x86-64, that in C++ with a compiler for it")
    out = subprocess.run(
        [path, str(count)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert out.returncode == 0, out.stderr
    said, _, tasks = out.stdout.rpartition("tasks ")
    return said, int(tasks)


@pytest.mark.parametrize("program", ["many_threads", "many_threads_cxx"])
def test_ten_thousand_threads_are_one_task(program: str):
    said, tasks = run(program, 10_000, LD_PRELOAD=str(PRELOAD))
    assert tasks == 1
    assert f"waiting {10_000} " in said


@pytest.mark.parametrize("program", ["many_threads", "many_threads_cxx"])
@pytest.mark.parametrize("hubs", [1, 3])
def test_the_program_says_what_it_does_without(program: str, hubs: int):
    plain, tasks = run(program, 500)
    assert tasks == 501
    said, tasks = run(program, 500, LD_PRELOAD=str(PRELOAD), PRELOAD_HUBS=str(hubs))
    assert said == plain
    assert tasks == hubs
