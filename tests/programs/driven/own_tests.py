"""A package's own tests: `own_tests.py patched|plain MODULE... [-- OPTION...]`

They are run by pytest, with its options, after patch_all() if they are to be
patched. A line each tells what came of it: "passed NAME", and so on. What made one
fail is told on standard error.
"""

import sys

from gevent import monkey

if sys.argv[1] == "patched":
    monkey.patch_all()

import contextlib  # noqa: E402
import importlib.util  # noqa: E402

import pytest  # noqa: E402


class Outcomes:
    """What came of each test, which has several phases."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}  # by name

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note("broken", report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._note(report.outcome, report)

    def _note(
        self, outcome: str, report: pytest.CollectReport | pytest.TestReport
    ) -> None:
        self.told[report.nodeid.rpartition("/")[2]] = outcome


def main() -> None:
    words = sys.argv[2:]
    end = words.index("--") if "--" in words else len(words)
    files = [importlib.util.find_spec(module).origin for module in words[:end]]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:warnings"]
    options += ["-c", "/dev/null", "--rootdir", "/", "--import-mode", "append"]
    outcomes = Outcomes()
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main([*options, *words[end + 1 :], *files], plugins=[outcomes])
    for name, outcome in outcomes.told.items():
        print(outcome, name)


if __name__ == "__main__":
    main()
