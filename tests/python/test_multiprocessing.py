"""multiprocessing and its executor after patch_all, each case in a process of its
own."""

import subprocess
import sys
import textwrap

import pytest

BEGIN = """\
import sys
from grove import monkey
monkey.patch_all()
import os, time
import grove
import multiprocessing as mp
from grove.event import Event
# No other method, which may be the default, finds what `python -c` has defined.
mp.set_start_method("fork")
"""


def run(source, begin=BEGIN):
    """What a program writes; it must say nothing on standard error."""
    result = subprocess.run(
        [sys.executable, "-c", begin + textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    return result.stdout


IMPORTED_BEFORE = "import multiprocessing.pool, multiprocessing.connection\n" + BEGIN


WITH_THREADS = BEGIN.replace("patch_all()", "patch_all(thread=False, queue=False)")


PATCHED_PROGRAM = """\
import sys
from grove import monkey
monkey.patch_all()
import multiprocessing as mp
import os
import grove
from concurrent.futures import ProcessPoolExecutor
from grove.event import Event

pid, gate = os.getpid(), Event()

def background():
    gate.wait()
    if os.getpid() != pid:
        os.write(2, b"a greenlet of another process goes on\\n")

def work(number):
    gate.set()
    return grove.spawn(pow, number, 2).get()

def answer(pipe, queue):
    pipe.send(pipe.recv() + 1)
    queue.put(work(3))

# The fork server, which imports this module for its children, has it too.
grove.spawn(background)

def main():
    method = sys.argv[1]
    mp.set_start_method(method)
    ours, theirs = mp.Pipe()
    queue = mp.Queue()
    child = mp.Process(target=answer, args=(theirs, queue))
    child.start()
    reader = grove.spawn(ours.recv)
    grove.sleep(0)
    ours.send(1)
    assert (reader.get(timeout=60), queue.get(timeout=60)) == (2, 9)
    child.join(60)
    assert child.exitcode == 0
    with mp.Pool(2) as pool, ProcessPoolExecutor(2) as executor:
        assert pool.map(work, range(20)) == [n * n for n in range(20)]
        assert list(executor.map(work, range(9))) == [n * n for n in range(9)]

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_methods_of_starting(method, tmp_path):
    """Of a program that patches itself, and so its children do; none of them goes
    on with the greenlets of the process that it was forked by."""
    program = tmp_path / "program.py"
    program.write_text(PATCHED_PROGRAM)
    result = subprocess.run(
        [sys.executable, program, method], capture_output=True, text=True, timeout=120
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stderr


@pytest.mark.parametrize("begin", [BEGIN, IMPORTED_BEFORE, WITH_THREADS])
def test_pool(begin):
    run(
        """
        with mp.Pool(3) as pool:
            assert pool.map(abs, range(-1000, 0)) == list(range(1000, 0, -1))
            assert len(pool.apply(bytes, (3_000_000,))) == 3_000_000
            assert sorted(pool.imap_unordered(abs, [-1, -2])) == [1, 2]
        """,
        begin,
    )


def test_pools_beside_each_other():
    """The second's workers are forked while the first's threads wait, one after
    another and from a thread."""
    run("""
        with mp.Pool(2) as one, mp.Pool(2, maxtasksperchild=1) as two:
            results = [pool.map_async(abs, range(-50, 0)) for pool in (one, two) * 3]
            expected = list(range(50, 0, -1))
            assert [r.get(60) for r in results] == [expected] * 6
    """)


def test_two_hundred_forks_from_thirty_greenlets():
    run("""
        def work(numbers):
            for number in numbers:
                pid = os.fork()
                if pid == 0:
                    os._exit(number)
                assert os.waitpid(pid, 0) == (pid, number << 8)
                time.sleep(0)
        grove.joinall(
            [grove.spawn(work, range(i, 200, 30)) for i in range(30)], raise_error=True
        )
    """)


def test_executor():
    run("""
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(3) as executor:
            assert list(executor.map(abs, range(-100, 0))) == list(range(100, 0, -1))
            assert executor.submit(len, bytes(1_000_000)).result() == 1_000_000
    """)


def test_pipes_queues_and_locks():
    run("""
        def answer(pipe, queue):
            pipe.send(pipe.recv() + 1)
            for i in range(20):
                queue.put(i)
        ours, theirs = mp.Pipe()
        queue = mp.Queue(2)
        child = mp.Process(target=answer, args=(theirs, queue))
        child.start()
        ours.send(1)
        assert ours.recv() == 2
        assert [queue.get(timeout=60) for _ in range(20)] == list(range(20))
        child.join(60)
        assert child.exitcode == 0
        with mp.Manager() as manager:
            shared = manager.dict(x=1)
            assert shared.copy() == {"x": 1}
    """)


def test_others_run_while_one_waits_for_a_process():
    run("""
        def wait(pipe):
            pipe.recv()
        ours, theirs = mp.Pipe()
        child = mp.Process(target=wait, args=(theirs,))
        child.start()
        joiner = grove.spawn(child.join)
        reader = grove.spawn(ours.poll, 60)
        grove.sleep(0)
        assert not joiner.ready() and not reader.ready()
        ours.send(None)
        joiner.join(60)
        assert child.exitcode == 0
    """)


def test_semaphores():
    run("""
        lock, semaphore = mp.RLock(), mp.Semaphore(1)
        log = []
        def hold(name):
            with lock, lock:
                log.append(name)
                grove.sleep(0)
                log.append(name)
        grove.joinall([grove.spawn(hold, n) for n in "abc"], raise_error=True)
        assert log in (list("aabbcc"), list("aaccbb"))
        assert semaphore.acquire() and not semaphore.acquire(False)
        assert not semaphore.acquire(timeout=0.001)
        waiter = grove.spawn(semaphore.acquire)
        grove.sleep(0)
        child = mp.Process(target=semaphore.release)
        child.start()
        assert waiter.get(timeout=60) is True
        child.join()
    """)


def test_a_worker_has_no_greenlets_but_its_own():
    """Whatever the others wait for, they do not go on in the child."""
    out = run("""
        pid, said, told, all_said = os.getpid(), [], Event(), Event()
        read, write = os.pipe()
        def say(word):
            said.append(word)
            if len(said) == 9:
                all_said.set()
            if os.getpid() != pid:
                os.write(2, b"%s runs in the child" % word.encode())
        def waits(word, wait, *args):
            wait(*args)
            say(word)
        def times_out():
            with grove.Timeout(0.01, False):
                told.wait()
            say("timeout")
        def work(pipe):
            os.write(write, b"x")
            told.set()
            time.sleep(0.05)  # so long that what the parent's wait for is due
            assert grove.spawn(int, "42").get() == 42
            with grove.Timeout(0.001, False):
                Event().wait()
            pipe.send("done")
            try:
                Event().wait()
            except OSError as error:
                pipe.send(error.strerror)
        def start():
            ours, theirs = mp.Pipe()
            child = mp.Process(target=work, args=(theirs,))
            child.start()
            print(ours.recv(), ours.recv(), sep=", ")
            child.join()
            assert child.exitcode == 0
        hub = grove.get_hub()
        for word, wait, *args in (
            ("read", os.read, read, 1), ("sleep", time.sleep, 0.01),
            ("event", told.wait),
        ):
            grove.spawn(waits, word, wait, *args)
        grove.spawn(times_out)
        timer, io = hub.loop.timer(0.01), hub.loop.io(read, 1)
        timer.start(say, "timer")
        io.start(lambda: (say("io"), io.stop()))
        grove.sleep(0)
        grove.spawn(say, "greenlet")
        grove.spawn_later(0.01, say, "later")
        hub.loop.run_callback(say, "callback")
        # Not the main greenlet, which is to be left behind too.
        grove.spawn(start).join()
        told.set()
        all_said.wait()
        print(*sorted(said))
    """)
    assert out.splitlines() == [
        "done, Resource deadlock avoided",
        "callback event greenlet io later read sleep timeout timer",
    ]
