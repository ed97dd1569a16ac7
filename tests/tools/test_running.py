"""Commands run by tools/check: signals, hanging, the log."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from making import ending, running

from build_tree import ROOT

# Prints the numbers of the signals that are ignored and of those blocked.
TELL = """
import signal
ignored = [s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN]
print(sorted(map(int, ignored)), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""


def test_signals_are_as_a_login_shell_has_them(tmp_path: Path):
    # As a script's background job starts us, and worse.
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT / "tools")!r})
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGINT])
from pathlib import Path
from making import ending, running
sys.exit(running.run(Path(sys.argv[1]), [sys.executable, "-c", {TELL!r}], 60, os.environ))
"""
    log = tmp_path / "log"
    subprocess.check_call([sys.executable, "-B", "-c", program, log], timeout=60)
    # Python itself ignores these two.
    python_ignores = sorted([signal.SIGPIPE, signal.SIGXFSZ])
    assert log.read_text().splitlines()[-1] == f"{[int(s) for s in python_ignores]} []"


def test_what_hangs_is_killed_with_its_whole_group(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    script = f"{{ echo here; sleep 1000; }} >{fifo} & wait"
    with pytest.raises(running.Hung, match="printed nothing for 2 s: sh -c"):
        running.run(tmp_path / "log", ["sh", "-c", script], 2, os.environ)
    os.set_blocking(reader, True)
    assert os.read(reader, 9) == b"here\n"
    # The end: nobody who could write is left.
    assert os.read(reader, 9) == b""
    os.close(reader)


def test_what_goes_on_printing_is_not_hung(tmp_path: Path):
    script = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done"
    assert running.run(tmp_path / "log", ["sh", "-c", script], 3, os.environ) == 0


def test_status_output_and_looks(tmp_path: Path):
    log = tmp_path / "log"
    looks = []
    script = "echo to $WHOM; while [ ! -e seen ]; do sleep 0.05; done; exit 3"

    def look() -> None:
        looks.append(log.read_text())
        (tmp_path / "seen").touch()

    env = {**os.environ, "WHOM": "you"}
    command = ["sh", "-c", f"cd {tmp_path}; {script}"]
    status = running.run(log, command, 60, env, look)
    assert status == 3 and looks
    assert log.read_text().endswith("\nto you\n")


#: Asks itself when the command runs, before it knows of that.
EARLY = """
started = running.subprocess.Popen
def start(*args, **kwargs):
    process = started(*args, **kwargs)
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    return process
running.subprocess.Popen = start
"""


@pytest.mark.parametrize("early", [False, True])
def test_who_is_asked_to_end_says_so_and_ends_what_was_started(
    tmp_path: Path, early: bool
):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT / "tools")!r})
from pathlib import Path
from making import ending, running
from making.ending import end_on_signals
end_on_signals()
{EARLY * early}
script = "exec >{fifo}; echo here; : >" + sys.argv[2] + "; sleep 1000"
running.run(Path(sys.argv[1]), ["sh", "-c", script], 60, os.environ)
"""
    with subprocess.Popen(
        [sys.executable, "-B", "-c", program, tmp_path / "log", tmp_path / "runs"],
        stderr=subprocess.PIPE,
        text=True,
    ) as asked:
        with open(fifo) as reader:
            assert reader.readline() == "here\n"
            if not early:
                asked.terminate()
            assert reader.read() == ""
        assert asked.wait(60) == 128 + signal.SIGTERM
        assert asked.stderr.read() == "ended by SIGTERM\n"


def test_what_has_something_to_put_in_order_does_so_before_its_group_is_gone(
    tmp_path: Path,
):
    """As mmdebstrap does, whose children do not end by themselves."""
    fifo, order = tmp_path / "fifo", tmp_path / "order"
    os.mkfifo(fifo)
    script = (
        f"exec >{fifo}; trap '' TERM; sleep 1000 &"
        f" trap 'echo done >{order}; exit 3' TERM; echo here; wait"
    )
    with ending.started(
        ["sh", "-c", script], end=ending.end_group, start_new_session=True
    ):
        reader = fifo.open()
        assert reader.readline() == "here\n"
    assert reader.read() == ""  # nobody is left who could write there
    assert order.read_text() == "done\n"
    reader.close()


def test_a_build_that_is_asked_to_end_has_ninja_end(tmp_path: Path):
    """And what ninja has started; who is started by ninja says that it runs."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "build.ninja").write_text(
        f"rule wait\n  command = exec >{fifo}; echo here; sleep 1000\nbuild it: wait\n"
    )
    program = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
from pathlib import Path
from making.ending import end_on_signals
from making.trees import Tree
end_on_signals()
Tree(Path(sys.argv[1])).build()
"""
    with subprocess.Popen([sys.executable, "-B", "-c", program, tmp_path]) as asked:
        with open(fifo) as reader:
            assert reader.readline() == "here\n"
            asked.terminate()
            assert reader.read() == ""
        assert asked.wait(60) == 128 + signal.SIGTERM
