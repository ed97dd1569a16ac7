"""Programs that hold up their fibers are told of, by the function and the line."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)
COMMAND = BUILD / "tool" / "grove"

#: A greenlet that others wait for, too, and how it holds them up: time without a
#: processor does not count.
BEGINNING = """
import ctypes, hashlib, time
import grove

def tick():
    while True:
        grove.sleep(0.01)

def computes():
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass            # computing in Python

def blocks():
    libc = ctypes.CDLL(None)
    libc.usleep(300000) # blocking in C

def hashes():
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 300000) # computing in C
"""

#: What is told in Python: the function, a part of its line; and in C, of what has a
#: name in every build of the interpreter.
PROGRAMS = [
    ("computes", ["computing in Python", "end:"], "PyObject_Vectorcall", "it computes"),
    ("blocks", ["blocking in C"], "usleep", "it waits in system call "),
    ("hashes", ["computing in C"], "PKCS5_PBKDF2_HMAC", "it computes"),
]


def run(
    program: list, tmp_path: Path, wish: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(BUILD / "python"), "GROVE_STALLS": wish},
        capture_output=True,
        text=True,
        timeout=60,
    )


def write(tmp_path: Path, end: str) -> Path:
    path = tmp_path / "program.py"
    path.write_text(BEGINNING + textwrap.dedent(end))
    return path


@pytest.mark.parametrize("name, marks, function, what", PROGRAMS)
def test_the_line_of_a_greenlet(tmp_path, name, marks, function, what):
    path = write(
        tmp_path,
        f"""
        grove.spawn(tick)
        grove.spawn({name}).join()
        grove.sleep(0.01)
        """,
    )
    result = run([PYTHON, path], tmp_path)
    text = result.stderr
    assert result.returncode == 0, text
    assert re.match(rf'grove: fiber \d+ "{name}" holds up thread \d+, for \d+ ms', text)
    assert what in text.splitlines()[0]
    assert re.search(rf"^  C[:?] {function}\+0x", text, re.M), text
    (number,) = re.findall(rf'^  Python: File ".*", line (\d+) in {name}$', text, re.M)
    line = path.read_text().splitlines()[int(number) - 1]
    assert any(mark in line for mark in marks), line


def test_late_the_second_is_told_with_its_line(tmp_path):
    path = write(
        tmp_path,
        """
        grove.spawn(blocks).join()
        grove.sleep(1.1)
        grove.spawn(computes).join()
        grove.sleep(0.01)
        """,
    )
    text = run([PYTHON, path], tmp_path, "late").stderr
    first, second = text.splitlines()[:2]
    assert " has held up thread " in first
    assert '"computes" holds up thread ' in second
    assert re.search(r'^  Python: File ".*", line \d+ in computes$', text, re.M)


C_PROGRAM = """
#include <grove.h>
#include <time.h>
#include <unistd.h>

static volatile double sum;

static void *computes(void *arg)
{
    for (clock_t end = clock() + 3 * CLOCKS_PER_SEC / 10; clock() < end;)
        for (int i = 0; i < 100000; i++)
            sum += i; /* computing */
    return arg;
}

static void *blocks(void *arg)
{
    usleep(300000); /* blocking */
    return arg;
}

int main(int argc, char **argv)
{
    grove_fiber *f;
    grove_attr attr = {.name = "worker"};
    grove_spawn_with(&f, &attr, argc > 1 ? blocks : computes, argv);
    grove_join(f, NULL);
    grove_release(f);
    return grove_sleep(GROVE_MILLISECOND);
}
"""


@pytest.fixture(scope="module")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stalls")
    source = folder / "stalls.c"
    source.write_text(C_PROGRAM)
    library = BUILD / "src"
    command = ["cc", "-g", "-O1", "-o", folder / "stalls", source]
    command += [f"-I{ROOT}/include", f"-L{library}", "-lgrove", f"-Wl,-rpath,{library}"]
    subprocess.run(command, check=True)
    return folder / "stalls"


@pytest.mark.parametrize(
    "arguments, function, mark",
    [([], "computes", ("computing", "for (")), (["b"], "blocks", ("blocking", "return"))],
)
def test_the_line_of_a_fiber(tmp_path, c_program, arguments, function, mark):
    result = run([c_program, *arguments], tmp_path, "watch")
    text = result.stderr
    assert result.returncode == 0, text
    assert re.match(r'grove: fiber \d+ "worker" holds up thread \d+, for \d+ ms', text)
    pattern = rf"^  C[:?] {function}\+0x[0-9a-f]+ \({c_program}\+(0x[0-9a-f]+)\)$"
    (address,) = re.findall(pattern, text, re.M)
    place = subprocess.check_output(["addr2line", "-e", c_program, address], text=True)
    number = int(re.search(r"stalls\.c:(\d+)", place)[1])
    line = C_PROGRAM.splitlines()[number - 1]
    assert any(part in line for part in mark), line


THREADS = """
#include <pthread.h>
#include <time.h>

static volatile double sum;

static void *computes(void *arg)
{
    for (clock_t end = clock() + 3 * CLOCKS_PER_SEC / 10; clock() < end;)
        for (int i = 0; i < 100000; i++)
            sum += i;
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, computes, NULL);
    return pthread_join(thread, NULL);
}
"""


def test_a_thread_that_is_a_fiber(tmp_path):
    """By `grove run --threads`, of a program that knows nothing of it."""
    source = tmp_path / "threads.c"
    source.write_text(THREADS)
    program = tmp_path / "threads"
    subprocess.run(["cc", "-O1", "-o", program, source, "-pthread"], check=True)
    result = run([COMMAND, "run", "--threads", "--cores", "1", program], tmp_path, "watch")
    text = result.stderr
    assert result.returncode == 0, text
    assert " holds up thread " in text and "; it computes\n" in text, text
    assert re.search(r"^  C: computes\+0x", text, re.M), text
