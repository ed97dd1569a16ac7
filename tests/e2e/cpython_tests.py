"""Run a module of CPython's own tests after patch_all(), and print of each test
that fails or says nothing for a minute its id, in a line of its own.

    cpython_tests.py MODULE [SKIPPED ...]

SKIPPED is as in cpython_known.py.
"""

import faulthandler
import signal
import sys
import unittest
import warnings
from collections.abc import Iterator

from cpython_known import is_of

warnings.simplefilter("ignore")

from grove import monkey  # noqa: E402

monkey.patch_all()

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


def main() -> None:
    # Who was started in the background has inherited that it is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module, *skipped = sys.argv[1:]
    loaded = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    suite = unittest.TestSuite(
        test
        for test in tests_of(loaded)
        if not any(is_of(test.id(), known) for known in skipped)
    )
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)
    result = runner.run(suite)
    print()  # it has printed times
    for test, _ in [*result.failures, *result.errors]:
        print("failed", test.id())
    print("ran", result.testsRun)


if __name__ == "__main__":
    main()
