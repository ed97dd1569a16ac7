"""The process that looks after those that serve.

It forks them, replaces those that die, and ends them. It imports neither the
application nor anything of a hub, so that what it forks is as fresh as itself, and it
waits for signals and nothing else:

    SIGHUP              a new process in the place of each; as soon as that serves,
                        the old one drains. If it cannot, the old one stays
    SIGTERM, SIGINT     all drain, then it ends
    SIGQUIT             all end at once, those that drain, too
    SIGUSR1             told to all: open the log anew
    SIGCHLD             one has ended: another one takes its place
    SIGUSR2             from a new one: it serves
"""

import importlib.util
import math
import os
import signal
import sys
import time
from typing import Any

from grove.serving.listeners import Listeners
from grove.serving.pid_file import PidFile
from grove.serving.processes import BOOT_FAILED, say

__all__ = ["Master"]

#: Seconds that a process lives at least; one that ends sooner is replaced after
#: that time, so that a fault at its start does not keep the machine busy.
SHORTEST_LIFE = 1.0
#: Seconds that a process which drains has more than it gives its requests; one
#: that is there still hangs, and is killed.
OVERTIME = 3.0

_SIGNALS = {
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
}


class Master:
    """Looks after the processes of one server."""

    def __init__(self, options: Any) -> None:
        """
        Args:
            options: what parse() of options.py returns.
        """
        self.options = options
        #: The place of each process that serves, by its number.
        self.serving: dict[int, int] = {}
        #: When each of them began.
        self._began: dict[int, float] = {}
        #: Those that drain, and when they are killed.
        self.draining: dict[int, float] = {}
        #: Of each new process where it says that it serves, and whom it replaces.
        self._new: dict[int, tuple[int, int | None]] = {}
        #: Places that are to be taken again, and when.
        self._due: dict[int, float] = {}
        #: One of them has served.
        self._served = False
        self._failed = False

    def run(self) -> int:
        """Serve until a signal ends it. What the process is to exit with."""
        if not self._begin():
            return 1
        try:
            for place in range(self.options.workers):
                self._fork(place)
            say("listening on " + ", ".join(self.listeners.described()))
            return self._look_after()
        finally:
            self.listeners.close()
            if self._pid_file:
                self._pid_file.remove()

    def _begin(self) -> bool:
        """Listen; False when that cannot be, which is said."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            if self.options.chdir:
                os.chdir(self.options.chdir)
        except OSError as error:
            say(f"cannot run there: {error}")
            return False
        sys.path.insert(0, os.getcwd())
        if not self._is_there():
            return False
        try:
            self.listeners = Listeners(self.options.bind, self.options.workers)
        except (OSError, ValueError) as error:
            say(f"cannot listen: {error}")
            return False
        try:
            self._pid_file = PidFile(self.options.pid) if self.options.pid else None
        except OSError as error:
            say(f"cannot write its number: {error}")
            self.listeners.close()
            return False
        return True

    def _is_there(self) -> bool:
        """Whether the application may be: nothing is imported yet. If not, that is
        said."""
        module = self.options.application.partition(":")[0].partition(".")[0]
        if module and importlib.util.find_spec(module):
            return True
        application = self.options.application
        say(f"cannot import {application}: No module named {module!r}")
        return False

    def _look_after(self) -> int:
        while True:
            number = self._wait()
            # Whoever serves has said so, though its signal may come behind this one.
            self._welcome()
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                return self._end(number)
            if number == signal.SIGHUP:
                self._replace_all()
            elif number == signal.SIGUSR1:
                self._tell(self.serving, signal.SIGUSR1)
            ended = self._reap()
            self._welcome()
            for pid, code in ended:
                self._ended(pid, code)
            self._kill_hanging()
            if self._failed:
                self._end(signal.SIGTERM)
                return 1
            self._fork_due()

    def _wait(self) -> int | None:
        """The next signal; None: some place is due, or somebody hangs."""
        until = min([*self._due.values(), *self.draining.values()], default=math.inf)
        if until == math.inf:
            return signal.sigwait(_SIGNALS)
        seconds = max(0.0, until - time.monotonic())
        found = signal.sigtimedwait(_SIGNALS, seconds)
        return found.si_signo if found else None

    # ---- processes ---------------------------------------------------------------

    def _fork(self, place: int, instead_of: int | None = None) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        ready, tell = os.pipe()
        os.set_blocking(ready, False)
        pid = os.fork()
        if pid:
            os.close(tell)
            self.serving[pid] = place
            self._began[pid] = time.monotonic()
            self._new[pid] = ready, instead_of
            return
        code = 1
        try:
            os.close(ready)
            code = self._serve(place, tell)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _serve(self, place: int, tell: int) -> int:
        """In the new process, until it is to end."""
        self.listeners.close_others(place)
        for ready, _ in self._new.values():
            os.close(ready)
        from grove.serving.worker import Worker

        sockets = self.listeners.of(place)
        return Worker(self.options, sockets, os.getppid(), tell).run()

    def _replace_all(self) -> None:
        self._drop_new()
        old = dict(self.serving)
        say(f"replacing {len(old)} process{'es' * (len(old) > 1)}")
        for pid, place in old.items():
            self._fork(place, pid)

    def _drop_new(self) -> None:
        """Those that do not serve yet may have begun to import what is old by now:
        they end, and a place without another process is due."""
        for pid, (ready, old) in self._new.items():
            os.close(ready)
            place = self.serving.pop(pid)
            self.draining[pid] = math.inf
            self._tell([pid], signal.SIGKILL)
            if old not in self.serving:
                self._due[place] = 0.0
        self._new.clear()

    def _welcome(self) -> None:
        """Whoever is replaced by one that serves by now drains."""
        for pid, (ready, old) in list(self._new.items()):
            try:
                serves = bool(os.read(ready, 1))
            except BlockingIOError:
                continue
            os.close(ready)
            del self._new[pid]
            self._served |= serves
            if serves and old in self.serving:
                del self.serving[old]
                self._drain([old])

    def _drain(self, pids: Any) -> None:
        """Have pids answer what is under way and end."""
        patience = self.options.graceful_timeout
        until = math.inf if patience is None else time.monotonic() + patience + OVERTIME
        for pid in pids:
            self.draining[pid] = until
        self._tell(pids, signal.SIGTERM)

    def _kill_hanging(self) -> None:
        now = time.monotonic()
        for pid in [pid for pid, until in self.draining.items() if until <= now]:
            say(f"process {pid} does not end: killed")
            self._tell([pid], signal.SIGKILL)
            self.draining[pid] = math.inf

    def _reap(self) -> list[tuple[int, int]]:
        """Those that have ended since the last call: (process, exit code) each."""
        found = []
        for pid in [*self.serving, *self.draining]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                found.append((pid, os.waitstatus_to_exitcode(status)))
                self.draining.pop(pid, None)
        return found

    def _ended(self, pid: int, code: int) -> None:
        began = self._began.pop(pid)
        place = self.serving.pop(pid, None)
        if place is None or place in self.serving.values():
            return  # another one has its place
        if not self._served:  # nor will the next one
            self._failed = True
            then = "before any has served"
        else:
            self._due[place] = began + SHORTEST_LIFE
            then = "another one takes its place"
        if code != BOOT_FAILED:  # else it has said why itself
            say(f"process {pid} has ended ({code}): {then}")

    def _fork_due(self) -> None:
        now = time.monotonic()
        for place in [place for place, when in self._due.items() if when <= now]:
            del self._due[place]
            self._fork(place)

    def _tell(self, pids: Any, number: int) -> None:
        # None of them has been waited for: the numbers are still theirs.
        for pid in pids:
            os.kill(pid, number)

    def _end(self, number: int) -> int:
        """End all processes, in order or, by SIGQUIT, at once."""
        self._due.clear()
        for pid in self._new:  # none of them has a request
            self._tell([pid], signal.SIGKILL)
        serving = list(self.serving)
        self.serving.clear()
        self._drain(serving)
        at_once = number == signal.SIGQUIT
        if not self._failed:  # else why was said
            say("ending" + " at once" * at_once)
        while self.draining:
            if at_once:
                self._tell(self.draining, signal.SIGKILL)
            number = self._wait()  # type: ignore[assignment]
            at_once = number == signal.SIGQUIT
            self._reap()
            self._kill_hanging()
        return 0
