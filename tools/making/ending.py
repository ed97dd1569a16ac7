"""What we start ends with us.

A command that is asked to end by a signal has started others, which would go on by
themselves: it ends by an exception, on whose way these are ended.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

#: By which we are interrupted or asked to end.
ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
ORDER = 20  # seconds, to put things in order


def end_on_signals() -> None:
    """End by SystemExit when asked to, so that what was started is ended too."""

    def end(number: int, frame: FrameType | None) -> None:
        print(f"ended by {signal.Signals(number).name}", file=sys.stderr, flush=True)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End, for started, a command that has a session of its own, with all it started."""
    os.killpg(process.pid, signal.SIGKILL)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """The same for one that has something to put in order first, if it soon does."""
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ORDER)
    with contextlib.suppress(ProcessLookupError):
        kill_group(process)


@contextlib.contextmanager
def started(
    command: list[str],
    end: Callable[[subprocess.Popen[bytes]], None],
    prepare: Callable[[], object] = lambda: None,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, to be waited for within.

    end: ends it, if it has not been waited for on the way out. prepare: called
    between fork and exec. options: more for subprocess.Popen.
    """
    process = None
    # None of them comes before it is known what is to be ended.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        prepare()

    try:
        process = subprocess.Popen(command, preexec_fn=unblock, **options)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield process
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if process is not None and process.returncode is None:
            end(process)
            process.wait()
