"""Run a module of CPython's own tests, and print of each test that fails or says
nothing for a minute its id, in a line of its own.

    cpython_tests.py WAY MODULE [SKIPPED ...]

WAY is "patched", after patch_all(), or "libc", after patch_all(libc=True), or
"plain": threads are who runs it. SKIPPED is as in cpython_known.py. As in
`python3 -m test`, no test uses the network or what else is to be asked for.
"""

import faulthandler
import signal
import sys
import unittest
import warnings
from collections.abc import Iterator

from cpython_known import is_of

warnings.simplefilter("ignore")

WAY = sys.argv.pop(1)
if WAY != "plain":
    from grove import monkey

    monkey.patch_all(libc=WAY == "libc")

from test import support  # noqa: E402

HANG = 60


class Result(unittest.TextTestResult):
    """Ends the process when a test hangs, with its stack."""

    def startTest(self, test: unittest.TestCase) -> None:
        faulthandler.dump_traceback_later(HANG, exit=True)
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def wanted(module: str, skipped: list[str]) -> unittest.TestSuite:
    """The tests that are run: nobody else has them, so that those that have been run,
    and what they keep, are not there for the garbage collector to look at."""
    loaded = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    return unittest.TestSuite(
        test
        for test in tests_of(loaded)
        if not any(is_of(test.id(), known) for known in skipped)
    )


def main() -> None:
    # Who was started in the background has inherited that it is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module, *skipped = sys.argv[1:]
    support.use_resources = []
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)
    result = runner.run(wanted(module, skipped))
    print()  # it has printed times
    for test, _ in [*result.failures, *result.errors]:
        print("failed", test.id())
    print("ran", result.testsRun)


if __name__ == "__main__":
    main()
