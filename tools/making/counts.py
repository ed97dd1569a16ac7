"""How many tests passed, as the last line of a run tells."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

COUNTS = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def follow(process: subprocess.Popen[str], say: Callable[[str], None]) -> Counts:
    """What a run comes to whose lines are passed on to say as they come. One that
    fails without telling of a failure has one."""
    counts = None
    try:
        for line in process.stdout:
            if found := COUNTS.fullmatch(line.strip()):
                counts = Counts(*map(int, found.groups()))
            say(line.rstrip("\n"))
        status = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if counts is None:
        return Counts(failed=1)
    if status != 0 and counts.failed == 0:
        counts.failed = 1
    return counts
