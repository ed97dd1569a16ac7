"""What a running command is at: on a terminal in place, else line by line.

It is read from the end of the command's log, as ninja, Meson and pytest write
it there.
"""

import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

EVERY = 5.0  # seconds between lines where the output is not a terminal

# "[12/346] Compiling C object ...", "ninja: Entering directory"
NINJA = re.compile(r"^\[(\d+)/(\d+)\] ")
# " 3/64 grove:unit / stack    OK   0.30s"; from 1.10 on "3/64 unit - grove:stack OK"
MESON = re.compile(r"^ *(\d+)/(\d+) (?:\S.*(?: / |:))?([^\s:]+) +[A-Z]+ ")
# "collecting ... collected 20 items", "tests/python/test_x.py::test_y PASSED [ 3/20]"
COLLECTED = re.compile(r"^(?:collecting \.\.\. )?collected (\d+) item")
PYTEST = re.compile(r"^\S+::.* [A-Z]+\b.*\[ *(\d+)/(\d+)\]$")
PYTEST_BEGUN = re.compile(r"^(\S+::\S+(?: [^ ]+\])?)")


class Reader:
    """Follows a log, and says what it says is being done."""

    def __init__(self, log: Path, doing: str, tests: Sequence[str]) -> None:
        """doing: what it begins with. tests: what Meson will run, in order."""
        self._log = log
        self._at = log.stat().st_size if log.exists() else 0
        self._rest = ""
        self._unfinished = list(tests)
        self._done, self._all = 0, len(tests)
        self._doing = self._running() or doing

    def read(self) -> str:
        """What is being done: how many of how many, and which."""
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            *lines, self._rest = (self._rest + new.decode(errors="replace")).split("\n")
            for line in lines:
                self._take(line)
            # pytest names a test when it begins, and ends the line after it.
            if begun := PYTEST_BEGUN.match(self._rest):
                self._doing = begun[1]
        count = f"{self._done} of {self._all}, " if self._all else ""
        return count + self._doing

    def _take(self, line: str) -> None:
        if found := NINJA.match(line):
            self._count(found)
        elif found := MESON.match(line):
            self._count(found)
            if found[3] in self._unfinished:
                self._unfinished.remove(found[3])
            self._doing = self._running() or self._doing
        elif found := COLLECTED.match(line):
            self._done, self._all = 0, int(found[1])
        elif found := PYTEST.match(line):
            self._count(found)

    def _running(self) -> str:
        """Meson starts tests in order, as many at once as there are processors."""
        return " and ".join(self._unfinished[: len(os.sched_getaffinity(0))])

    def _count(self, found: re.Match) -> None:
        self._done, self._all = int(found[1]), int(found[2])


class Progress:
    """Tells what a part is at, unless the same was told just now."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._began = self._told = time.monotonic()
        self._text = ""
        self._reader: Reader | None = None
        self._in_place = sys.stdout.isatty()

    def follow(self, log: Path, doing: str, tests: Sequence[str]) -> None:
        """A command begins to write into log."""
        self._reader = Reader(log, doing, tests)

    def at(self) -> str:
        """What the command is at."""
        return self._reader.read() if self._reader else "the beginning"

    def look(self) -> None:
        """Tell, if it is time to."""
        now = time.monotonic()
        if not self._in_place and now - self._told < EVERY:
            return
        self._told = now
        text = f"check: {self._part}: {self.at()} ({now - self._began:.0f} s)"
        if not self._in_place:
            print(text, flush=True)
        elif text != self._text:
            self._text = text
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:width]}", end="", flush=True)

    def end(self) -> None:
        """Nothing of it is left on a terminal."""
        if self._in_place:
            print("\r\x1b[K", end="", flush=True)
