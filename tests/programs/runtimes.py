"""What a program runs on: Debian's gevent, or Grove under gevent's names."""

import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from build_tree import BUILD

PROGRAMS = Path(__file__).resolve().parent / "driven"
HANG = 60.0  # seconds after which a program has come to a standstill


@dataclass
class Runtime:
    """One of the two, and what the programs have cost on it."""

    name: str  # "gevent" or "grove"
    spent: dict[str, float] = field(default_factory=dict)  # CPU seconds, by test
    test: str = ""  # that is running

    def environment(self, command: bool = False) -> dict[str, str]:
        """The environment of a program, or of a command of Debian's."""
        env = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore::DeprecationWarning",
        }
        env.pop("PYTHONPATH", None)
        if self.name == "grove":
            env["PYTHONPATH"] = str(BUILD / ("compat" if command else "python"))
        return env

    def command(self, program: str, *arguments: object) -> list[str]:
        """The command line of a program of ours."""
        ours = ["-m", "grove"] if self.name == "grove" else []
        words = [PROGRAMS / program, *arguments]
        return [sys.executable, *ours, *map(str, words)]

    def run(self, program: str, *arguments: object) -> list[str]:
        """The lines that a program of ours prints; it must end well, and print
        nothing on standard error."""
        command = self.command(program, *arguments)
        return self.run_command(command, self.environment())

    def run_command(self, command: list[str], env: dict[str, str]) -> list[str]:
        """The same of any command line."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = subprocess.run(
            command,
            cwd=PROGRAMS,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.count(used)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stderr == "", ended.stdout + ended.stderr
        return ended.stdout.splitlines()

    def count(self, seconds: float) -> None:
        """Add CPU seconds to what the running test has cost."""
        self.spent[self.test] = self.spent.get(self.test, 0.0) + seconds
