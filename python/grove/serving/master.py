"""The process that looks after those that serve.

It forks them, replaces those that die, and ends them. It imports neither the
application nor anything of a hub, so that what it forks is as fresh as itself, and it
waits for signals and nothing else:

    SIGHUP              a new process in the place of each; as soon as that serves,
                        the old one drains. If it cannot, the old one stays
    SIGTERM, SIGINT     all drain, then it ends
    SIGQUIT             all end at once
    SIGUSR1             told to all: open the log anew
    SIGCHLD             one has ended: another one takes its place
    SIGUSR2             from a new one: it serves
"""

import os
import signal
import sys
import time
from typing import Any

from grove.serving.listeners import Listeners
from grove.serving.processes import BOOT_FAILED, say

__all__ = ["Master"]

#: Seconds that a process lives at least; one that ends sooner is replaced after
#: that time, so that a fault at its start does not keep the machine busy.
SHORTEST_LIFE = 1.0

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
        #: Those that drain.
        self.draining: set[int] = set()
        #: Of each new process where it says that it serves, and whom it replaces.
        self._new: dict[int, tuple[int, int | None]] = {}
        #: Places that are to be taken again, and when.
        self._due: dict[int, float] = {}
        self._failed = False

    def run(self) -> int:
        """Serve until a signal ends it. What the process is to exit with."""
        try:
            if self.options.chdir:
                os.chdir(self.options.chdir)
            self.listeners = Listeners(self.options.bind, self.options.workers)
        except (OSError, ValueError) as error:
            say(f"cannot listen: {error}")
            return 1
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._write_pid()
            for place in range(self.options.workers):
                self._fork(place)
            say("listening on " + ", ".join(self.listeners.described()))
            return self._look_after()
        finally:
            self.listeners.close()
            self._remove_pid()

    def _look_after(self) -> int:
        while True:
            number = self._wait()
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                return self._end(number)
            if number == signal.SIGHUP:
                self._replace_all()
            elif number == signal.SIGUSR1:
                self._tell(self.serving, signal.SIGUSR1)
            self._welcome()
            self._reap()
            if self._failed:
                self._end(signal.SIGTERM)
                return 1
            self._fork_due()

    def _wait(self) -> int | None:
        """The next signal; None: some place is due."""
        if not self._due:
            return signal.sigwait(_SIGNALS)
        seconds = max(0.0, min(self._due.values()) - time.monotonic())
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
        # One that does not serve yet is new enough.
        old = {p: place for p, place in self.serving.items() if p not in self._new}
        say(f"replacing {len(old)} process{'es' * (len(old) > 1)}")
        for pid, place in old.items():
            self._fork(place, pid)

    def _welcome(self) -> None:
        """Whoever is replaced by one that serves by now drains."""
        for pid, (ready, old) in list(self._new.items()):
            try:
                serves = bool(os.read(ready, 1))
            except BlockingIOError:
                continue
            os.close(ready)
            del self._new[pid]
            if serves and old in self.serving:
                del self.serving[old]
                self.draining.add(old)
                self._tell([old], signal.SIGTERM)

    def _reap(self) -> None:
        for pid in [*self.serving, *self.draining]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, code: int) -> None:
        began = self._began.pop(pid)
        place = self.serving.pop(pid, None)
        self.draining.discard(pid)
        if place is None or place in self.serving.values():
            return  # another one has its place
        if code == BOOT_FAILED:
            self._failed = not self._due and not self.serving
            if not self._failed:
                self._due[place] = began + SHORTEST_LIFE
            return
        say(f"process {pid} has ended ({code}): another one takes its place")
        self._due[place] = began + SHORTEST_LIFE

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
        everybody = [*self.serving, *self.draining]
        at_once = number == signal.SIGQUIT
        say("ending" + " at once" * at_once)
        self._tell(everybody, signal.SIGKILL if at_once else signal.SIGTERM)
        for pid in everybody:
            os.waitpid(pid, 0)
        return 0

    # ---- the file with its number ----------------------------------------------------

    def _write_pid(self) -> None:
        if self.options.pid:
            with open(self.options.pid, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")

    def _remove_pid(self) -> None:
        if self.options.pid and os.path.exists(self.options.pid):
            os.unlink(self.options.pid)
