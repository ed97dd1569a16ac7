"""Running a command: its output in a log, and done by a time or killed.

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
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from making.trees import ROOT

LOOK = 0.2  # seconds between looks at a command


class NotDone(Exception):
    """A command's time was up; the text is for people."""


def reset_signals() -> None:
    """Give every signal its default way, and block none."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def end_on_signals() -> None:
    """End by SystemExit when asked to, so that what was started is ended too."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def run(
    log: Path,
    command: list[str],
    timeout: float,
    env: dict[str, str],
    look: Callable[[], None] = lambda: None,
) -> int:
    """Run command in the root, its output into log; its exit status.

    look() is called again and again meanwhile.
    """
    end = time.monotonic() + timeout
    with log.open("a") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,
            preexec_fn=reset_signals,
        )
        try:
            while time.monotonic() < end:
                try:
                    return process.wait(LOOK)
                except subprocess.TimeoutExpired:
                    look()
            raise NotDone(f"not done after {timeout:g} s: {' '.join(command)}")
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
