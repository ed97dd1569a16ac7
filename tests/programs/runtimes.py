"""What a program runs on: Debian's gevent, or Grove under gevent's names."""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from build_tree import BUILD
from servers import Running, folder, launch

PROGRAMS = Path(__file__).resolve().parent / "driven"
HANG = 90.0  # seconds after which a program has come to a standstill


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

    def run_command(
        self, command: list[str], env: dict[str, str], quiet: bool = True
    ) -> list[str]:
        """The same of any command line, one that is not quiet may print errors."""
        with self.counted():
            ended = subprocess.run(
                command,
                cwd=PROGRAMS,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=HANG,
            )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert not quiet or ended.stderr == "", ended.stdout + ended.stderr
        return ended.stdout.splitlines()

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count the CPU seconds of the children that end meanwhile."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.spent[self.test] = self.spent.get(self.test, 0.0) + used

    @contextlib.contextmanager
    def started(
        self, command: list, quiet: bool = True, **env: str
    ) -> Iterator[Running]:
        """While a command of Debian's, or a program, runs; then it is ended.

        It must end well, and if it is to be quiet without a traceback in its log.
        """
        with self.counted(), folder() as home:
            environment = {**self.environment(command=True), **env}
            server = launch(command, home / "log", cwd=PROGRAMS, env=environment)
            try:
                yield server
            finally:
                server.end()
            log = server.log.read_text(errors="replace")
            assert server.process.returncode == 0, log
            assert not quiet or "Traceback" not in log, log

    @contextlib.contextmanager
    def serving(self, command: list, port: int, **env: str) -> Iterator[Running]:
        """The same, once it listens on port."""
        with self.started(command, **env) as server:
            server.wait_for_port(port)
            yield server
