"""grove.subprocess: children that other greenlets run beside."""

import io
import os
import signal
import subprocess as standard
import sys
import threading

import grove
import pytest
from grove import subprocess

#: A child that waits for its standard input to end.
WAITING = ["cat"]


def running(count=1):
    """count children that run until their standard input is closed."""
    return [subprocess.Popen(WAITING, stdin=subprocess.PIPE) for _ in range(count)]


@pytest.fixture(autouse=True)
def hub():
    """Without one there are no greenlets, and the waits are the standard ones."""
    return grove.get_hub()


class Late(Exception):
    pass


@pytest.fixture
def waiting():
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


WAITS = {
    "wait": lambda child, timeout: child.wait(timeout=timeout),
    "communicate": lambda child, timeout: child.communicate(timeout=timeout),
}


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize(
    "exception, raised",
    [
        (None, standard.TimeoutExpired),
        (False, standard.TimeoutExpired),
        (Late, Late),
    ],
)
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_timeout_as_an_argument(waiting, wait, exception, raised, started):
    timeout = grove.Timeout(0.001, exception)
    if started:
        timeout.start()
    if wait is WAITS["communicate"]:  # which would end cat
        waiting.stdin, stdin = None, waiting.stdin
    with pytest.raises(raised):
        wait(waiting, timeout)
    assert not timeout.pending and waiting.poll() is None
    if waiting.stdin is None:
        waiting.stdin = stdin
    assert subprocess.Popen(["true"]).wait(timeout=grove.Timeout(60)) == 0


def test_names_and_classes_are_the_standard_ones():
    for name in standard.__all__:
        assert hasattr(subprocess, name), name
    assert issubclass(subprocess.Popen, standard.Popen)
    for name in (
        "CalledProcessError",
        "TimeoutExpired",
        "CompletedProcess",
        "PIPE",
        "STDOUT",
        "DEVNULL",
    ):
        assert getattr(subprocess, name) is getattr(standard, name)


def test_functions():
    done = subprocess.run(["sh", "-c", "exit 3"])
    assert isinstance(done, standard.CompletedProcess) and done.returncode == 3
    assert subprocess.call(["true"]) == 0
    with pytest.raises(standard.CalledProcessError):
        subprocess.check_call(["false"])
    assert subprocess.check_output(["echo", "one"], text=True) == "one\n"
    assert subprocess.getoutput("echo two") == "two"
    assert subprocess.getstatusoutput("exit 7") == (7, "")
    with pytest.raises(FileNotFoundError):
        subprocess.run(["/no/such/program"])


def test_others_run_while_one_waits():
    [child] = running()
    waiter = grove.spawn(child.wait)
    grove.sleep(0)
    assert not waiter.ready()
    child.stdin.close()
    assert waiter.get(timeout=60) == 0


def test_many_wait_for_one():
    [child] = running()
    waiters = [grove.spawn(child.wait) for _ in range(10)]
    grove.sleep(0)
    child.kill()
    assert [w.get(timeout=60) for w in waiters] == [-signal.SIGKILL] * 10
    child.stdin.close()


def test_timeouts():
    [child] = running()
    with pytest.raises(standard.TimeoutExpired):
        child.wait(timeout=0.001)
    with pytest.raises(standard.TimeoutExpired):
        child.wait(timeout=0)
    assert child.wait(timeout=0.001, _raise_exc=False) is None
    with pytest.raises(grove.Timeout), grove.Timeout(0.001):
        child.wait()
    read, write = os.pipe()
    with pytest.raises(standard.TimeoutExpired):
        subprocess.run(WAITING, stdin=read, timeout=0.01)
    os.close(read)
    os.close(write)
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(timeout=60) == 0
    assert child.wait(timeout=-1) == 0


def test_communicate_with_more_than_pipes_hold():
    data = os.urandom(1 << 20)
    child = subprocess.Popen(WAITING, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.communicate(data) == (data, None)
    text = "ä\n" * 1000
    done = subprocess.run(
        WAITING, input=text, capture_output=True, encoding="utf-8", errors="strict"
    )
    assert done.stdout == text and done.stderr == ""


@pytest.mark.parametrize("limit", ["argument", "Timeout"])
def test_output_is_kept_when_communicate_ends_early(limit):
    read, write = os.pipe()
    child = subprocess.Popen(
        ["sh", "-c", "echo first; read line </dev/fd/$0; echo second", str(read)],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[read],
    )
    while not child.stdout.buffer.peek(1):
        pass
    if limit == "argument":
        with pytest.raises(standard.TimeoutExpired):
            child.communicate(timeout=0.01)
    else:
        with pytest.raises(grove.Timeout), grove.Timeout(0.01):
            child.communicate()
    os.write(write, b"\n")
    output, _ = child.communicate(timeout=60)
    assert output.endswith("second\n")
    os.close(read)
    os.close(write)


def test_pipes_are_files_of_the_standard_kinds_and_cooperative():
    child = subprocess.Popen(
        WAITING, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert isinstance(child.stdin, io.TextIOWrapper)
    reader = grove.spawn(child.stdout.readline)
    grove.sleep(0)
    assert not reader.ready()
    child.stdin.write("line\n")
    assert reader.get(timeout=60) == "line\n"
    child.communicate()
    child = subprocess.Popen(
        WAITING, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert isinstance(child.stdin, io.FileIO)
    # More than the pipes hold: the writer parks until the reader has read.
    data = bytes(1 << 20)
    writer = grove.spawn(child.stdin.write, data)
    got = 0
    while got < len(data):
        got += len(child.stdout.read(1 << 16))
    assert writer.get(timeout=60) == len(data)
    child.communicate()


def test_pipes_stay_blocking_for_other_children():
    first = subprocess.Popen(["echo", "word"], stdout=subprocess.PIPE)
    assert os.get_blocking(first.stdout.fileno())
    second = subprocess.run(WAITING, stdin=first.stdout, capture_output=True)
    assert second.stdout == b"word\n" and first.wait() == 0
    first.stdout.close()


def test_a_child_that_the_program_reaps():
    child = subprocess.Popen(["sh", "-c", "exit 4"])
    assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 4
    # As the standard library has it: the code is lost.
    assert child.wait() == 0


def test_sigchld_is_left_alone():
    before = signal.getsignal(signal.SIGCHLD)
    told = []
    signal.signal(signal.SIGCHLD, lambda *args: told.append(args))
    try:
        assert subprocess.run(["true"]).returncode == 0
        assert told
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("with_hub", [True, False])
def test_in_a_native_thread(with_hub):
    codes = []

    def work():
        if with_hub:
            grove.sleep(0)
        codes.append(subprocess.run(["sh", "-c", "exit 5"]).returncode)
        codes.append(subprocess.check_output(["echo", "x"]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert codes == [5, b"x\n"]


def test_threads_that_reap_the_same_child():
    """One blocks in waitpid and holds the lock, the other is told of the end."""
    [child] = running()
    codes = []
    thread = threading.Thread(target=lambda: codes.append(child.wait()))
    thread.start()
    waiter = grove.spawn(child.wait)
    grove.sleep(0)
    child.stdin.close()
    assert waiter.get(timeout=60) == 0
    thread.join(60)
    assert codes == [0]


def test_kill_while_another_waits():
    for _ in range(20):
        [child] = running()
        waiter = grove.spawn(child.wait)
        killer = grove.spawn(child.kill)
        child.stdin.close()
        grove.joinall([waiter, killer], timeout=60, raise_error=True)
        assert waiter.value in (0, -signal.SIGKILL)
        child.kill()  # it has ended: nothing
        assert child.returncode == waiter.value


def test_links():
    [child] = running()
    told = []
    child.rawlink(told.append)
    assert grove.wait([child], timeout=0.001) == []
    child.stdin.close()
    assert grove.wait([child], timeout=60) == [child]
    assert child.result.get(timeout=60) == 0
    while not told:
        grove.sleep(0)
    assert told == [child]


def test_no_process_descriptors_left(monkeypatch):
    from grove.processes import waiting

    def refuse(pid):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(waiting, "_pidfd_open", refuse)
    [child] = running()
    with pytest.raises(standard.TimeoutExpired):
        child.wait(timeout=0.01)
    waiter = grove.spawn(child.wait)
    grove.sleep(0)
    child.stdin.close()
    assert waiter.get(timeout=60) == 0


def test_nothing_is_left_open():
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(5):
        subprocess.run(["true"], capture_output=True)
        with pytest.raises(standard.TimeoutExpired):
            subprocess.run([sys.executable, "-c", "input()"], timeout=0)
    assert sorted(os.listdir("/proc/self/fd")) == before
