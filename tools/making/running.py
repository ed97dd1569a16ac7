"""Running a command: its output in a log, and killed if it says nothing more.

How long a build or the tests take depends on the machine and on who else works
on it; so what is bounded is the time in which nothing is printed.

What is run is to find signals as a login shell's programs do, wherever the
tests were started: a script's background job ignores SIGINT and SIGQUIT, a
`nohup` SIGHUP, Python itself SIGPIPE, and exec hands all of that on. So the
dispositions and the mask are reset between fork and exec. The commands are run
in sessions of their own, and none outlives us: their process groups are killed
when their time is up, and when we are interrupted or asked to end.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from making.ending import kill_group, started
from making.trees import ROOT

LOOK = 0.2  # seconds between looks at a command


class Hung(Exception):
    """A command printed nothing for too long; the text is for people."""


def reset_signals() -> None:
    """Give every signal its default way, and block none."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def run(
    log: Path,
    command: list[str],
    silence: float,
    env: Mapping[str, str],
    look: Callable[[], None] = lambda: None,
) -> int:
    """Run command in the root, its output into log; its exit status.

    env is all of its environment.
    It is killed when it has printed nothing for silence seconds. look() is called
    again and again meanwhile.
    """
    with log.open("a") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        with started(
            command,
            end=kill_group,
            prepare=reset_signals,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        ) as process:
            printed, when = 0, time.monotonic()
            while time.monotonic() < when + silence:
                try:
                    return process.wait(LOOK)
                except subprocess.TimeoutExpired:
                    look()
                if (size := os.fstat(out.fileno()).st_size) != printed:
                    printed, when = size, time.monotonic()
            raise Hung(f"printed nothing for {silence:g} s: {' '.join(command)}")
