"""Programs of threads, built as they are, whose threads `grove run` makes fibers.

Each says what it says without; the kernel knows of as many tasks as there are hubs, and
one that tells of stalls.
"""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from build_tree import BUILD
from conftest import environment

COMMAND = BUILD / "tool" / "grove"
PROGRAMS = BUILD / "tests" / "threads"

#: Threads of Python that wait for each other, for time and for sockets; each of
#: them has locals of its own.
THREADS = r"""
import os, queue, socket, threading, time

mine = threading.local()
names = queue.Queue()
together = threading.Barrier(201)
pair = socket.socketpair()

def work(i):
    mine.number = i
    with threading.RLock():
        time.sleep(0.01)
    together.wait()
    names.put(mine.number)

threads = [threading.Thread(target=work, args=(i,)) for i in range(200)]
for t in threads:
    t.start()
print("tasks", len(os.listdir("/proc/self/task")))
reader = threading.Thread(target=lambda: names.put(pair[0].recv(4)))
reader.start()
together.wait()
for t in threads:
    t.join()
pair[1].sendall(b"sent")
reader.join()
got = [names.get() for _ in range(201)]
print(got.pop(), sorted(got) == list(range(200)), len({t.ident for t in threads}))
"""

#: Clients that are all answered only once all have asked, after 0.3 s. Each has two
#: descriptors here.
SERVER = r"""
import http.server, os, resource, socket, sys, threading, time

MANY = int(sys.argv[1])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 3 * MANY + 100), most))
tasks = []
together = threading.Barrier(MANY, lambda: tasks.extend(os.listdir("/proc/self/task")))

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        together.wait()
        time.sleep(0.3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"page")
    def log_message(self, *args):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = MANY

server = Server(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
pages = []

def ask():
    with socket.create_connection(server.server_address) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        head, _, page = sock.makefile("rb").read().partition(b"\r\n\r\n")
        pages.append(page if b" 200 OK" in head else head)

clients = [threading.Thread(target=ask) for _ in range(MANY)]
for t in clients:
    t.start()
for t in clients:
    t.join()
print("tasks", len(tasks), pages.count(b"page"))
server.shutdown()
"""

#: The main thread computes until another one has had five turns.
COMPUTES = r"""
import threading, time

turns = 0

def count():
    global turns
    while turns < 5:
        time.sleep(0.001)
        turns += 1

threading.Thread(target=count).start()
while turns < 5:
    pass
print(turns, "turns")
"""

#: The first thread of all computes, until the main thread, which waits meanwhile, has
#: had its turn.
FIRST_COMPUTES = r"""
import threading

began = threading.Lock()
began.acquire()
goes_on = True

def compute():
    began.release()
    while goes_on:
        pass

thread = threading.Thread(target=compute)
thread.start()
began.acquire()
goes_on = False
thread.join()
print("joined")
"""

pytestmark = pytest.mark.skipif(
    not (PROGRAMS / "many_threads").exists(),
    reason="threads are fibers on x86-64 only; a build for it runs these",
)


#: Who tells of stalls is there, but on a busy machine has nothing to say.
WATCHED = os.environ | {"GROVE_STALLS": "60000"}


def run(*command: str | Path, cores: int | None = None) -> str:
    """What a program says, by itself or with its threads dealt over so many."""
    if cores is not None:
        command = (COMMAND, "run", "--cores", str(cores), *command)
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, env=WATCHED)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def tasks_of(said: str) -> tuple[str, int]:
    """What a program says before, and how many tasks it tells of at the end."""
    said, _, tasks = said.rpartition("tasks ")
    return said, int(tasks)


def program(name: str) -> Path:
    if not (PROGRAMS / name).exists():
        pytest.skip(f"{name} is in C++; where there is a compiler for it this runs")
    return PROGRAMS / name


@pytest.mark.parametrize("name", ["many_threads", "many_threads_cxx"])
def test_ten_thousand_threads_are_one_task_and_the_watcher(name: str):
    said, tasks = tasks_of(run(program(name), "10000", cores=1))
    assert tasks == 2
    assert "waiting 10000 " in said


@pytest.mark.parametrize("name", ["many_threads", "many_threads_cxx"])
@pytest.mark.parametrize("cores", [1, 3])
def test_the_program_says_what_it_does_without(name: str, cores: int):
    plain, tasks = tasks_of(run(program(name), "500"))
    assert tasks == 501
    assert tasks_of(run(program(name), "500", cores=cores)) == (plain, cores + 1)


@pytest.mark.parametrize("cores", [1, 3])
def test_threads_that_read_lines_are_few_tasks(cores: int):
    """By stdio, which reads and writes inside libc. Some of the plain ones have ended."""
    plain, tasks = tasks_of(run(PROGRAMS / "lines", "200"))
    assert plain == "said 0 right 200 "
    assert tasks > 3
    assert tasks_of(run(PROGRAMS / "lines", "200", cores=cores)) == (plain, cores + 1)


@pytest.mark.parametrize("cores", [1, 3])
def test_what_is_sent_to_threads_ends_their_waits(cores: int):
    plain = run(PROGRAMS / "sent")
    assert "cancelled: 1" in plain
    # In which order threads say what they have to say is nobody's promise.
    said = run(PROGRAMS / "sent", cores=cores)
    assert sorted(said.splitlines()) == sorted(plain.splitlines())


@pytest.mark.parametrize("cores", [1, 2])
def test_threads_whose_stacks_are_executable(cores: int):
    plain = run(PROGRAMS / "code_on_stacks")
    assert run(PROGRAMS / "code_on_stacks", cores=cores) == plain == "42 42 42\n"


@pytest.mark.parametrize("cores", [1, 2])
def test_signals_come_to_who_does_not_block_them(cores: int):
    plain = run(PROGRAMS / "masks")
    assert "one is open: signal 14, status 0" in plain
    said = run(PROGRAMS / "masks", cores=cores)
    assert sorted(said.splitlines()) == sorted(plain.splitlines())


#: One that the threads run on, one that sees to it that none holds up the others, and
#: one that tells who does.
TASKS_OF_PYTHON = 3


def test_threads_of_python_are_few_tasks():
    plain = run(sys.executable, "-c", THREADS).splitlines()
    assert plain == ["tasks 201", "b'sent' True 200"]
    said = subprocess.run(
        [COMMAND, "run", "--threads", sys.executable, "-c", THREADS],
        capture_output=True,
        text=True,
        timeout=240,
        env=WATCHED,
    )
    assert said.stdout.splitlines() == [f"tasks {TASKS_OF_PYTHON}", plain[1]], said.stderr


@pytest.mark.parametrize("many", [100, 2000])
def test_a_server_of_threads_serves_on_few_tasks(many: int):
    said = run(sys.executable, "-c", SERVER, str(many), cores=1)
    assert said == f"tasks {TASKS_OF_PYTHON} {many}\n"


def test_a_thread_of_python_that_computes_lets_others_run():
    """For ever, were it not made to."""
    assert run(sys.executable, "-c", COMPUTES, cores=1) == "5 turns\n"


def test_the_first_thread_of_python_that_computes_lets_others_run():
    """Its hub has told of no threads yet."""
    assert run(sys.executable, "-c", FIRST_COMPUTES, cores=1) == "joined\n"


@pytest.mark.parametrize("libc", ["0", "1"])
@pytest.mark.parametrize("words", [("-c", "import grove.monkey"), ("-m", "grove", "--libc", "x")])
def test_greenlets_are_refused_where_threads_are_fibers(libc: str, words: tuple[str, ...]):
    """They would wait for each other for ever; one line says what to do."""
    python = os.environ.get("GROVE_PYTHON", sys.executable)
    said = subprocess.run(
        [COMMAND, "run", "--threads", python, *words],
        env=environment() | {"GROVE_LIBC": libc},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert said.returncode == 1
    assert said.stdout == ""
    last = said.stderr.splitlines()[-1]
    assert last.startswith("ImportError: grove cannot be used where threads are fibers")
    assert last.endswith("run the program without that, by `python3 -m grove`")


def compiled(folder: Path, text: str, *flags: str) -> Path:
    source, path = folder / "program.c", folder / "program"
    source.write_text("#define _GNU_SOURCE\n#include <pthread.h>\n#include <stdio.h>\n" + text)
    subprocess.check_call(["cc", "-o", path, source, *flags])
    return path


def test_a_program_knows_that_it_has_threads(tmp_path: Path):
    """Its own copy of the word that says so is libc's, too, which sets it once."""
    text = r"""
    #include <sys/single_threaded.h>
    static void *nothing(void *arg) { return arg; }
    int main(void)
    {
        pthread_t id;
        pthread_create(&id, NULL, nothing, NULL);
        printf("single %d\n", __libc_single_threaded);
        return pthread_join(id, NULL);
    }
    """
    path = compiled(tmp_path, text, "-fno-pie", "-no-pie")
    assert run(path) == run(path, cores=2) == "single 0\n"


@pytest.mark.parametrize("cores", [1, 2])
def test_a_thread_that_spins_for_ever_is_named(tmp_path: Path, cores: int):
    """The main thread, whose hub it has, never comes to end it: it is told meanwhile."""
    text = r"""
    static volatile int turn;
    void *spin_until_told(void *arg)
    {
        while (!turn) { }
        return arg;
    }
    int main(void)
    {
        pthread_t id;
        pthread_create(&id, NULL, spin_until_told, NULL);
        pthread_setname_np(id, "spinner");
        sched_yield();
        turn = 1;
        return pthread_join(id, NULL);
    }
    """
    path = compiled(tmp_path, text, "-rdynamic", "-O1")
    command = (COMMAND, "run", "--cores", str(cores), path)
    watched = os.environ | {"GROVE_STALLS": "100"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=watched) as process:
        patience = threading.Timer(60, process.kill)
        patience.start()
        said = list(itertools.islice(process.stderr, 2))
        patience.cancel()
        process.kill()
    assert len(said) == 2, "it was not told of"
    assert '"spinner" holds up thread' in said[0]
    assert "spin_until_told" in said[1]


def test_stacks_are_as_large_as_was_asked_for(tmp_path: Path):
    """But for what the fiber has of it, and the guard."""
    text = r"""
    static void *tell(void *arg)
    {
        pthread_attr_t attr;
        size_t size;
        void *low;
        pthread_getattr_np(pthread_self(), &attr);
        pthread_attr_getstack(&attr, &low, &size);
        printf("%zu\n", size);
        return arg;
    }
    int main(void)
    {
        pthread_t id;
        pthread_create(&id, NULL, tell, NULL);
        return pthread_join(id, NULL);
    }
    """
    path = compiled(tmp_path, text)

    def size(asked: str) -> int:
        command = [COMMAND, "run", "--stack", asked, path]
        return int(subprocess.check_output(command))

    assert 64 << 10 < size("128K") <= 128 << 10
    assert 900 << 10 < size("1M") <= 1 << 20
