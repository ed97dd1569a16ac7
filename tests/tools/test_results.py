"""What tests came to, and how far they are, read from what runners write."""

from pathlib import Path

from making.progress import Reader
from making.results import count_cmocka, count_pytest, telling_lines

CMOCKA = """\
[==========] Running 3 test(s).
[ RUN      ] passes
[       OK ] passes
[ RUN      ] is_skipped
needs two processors: run it on a larger machine
[  SKIPPED ] is_skipped
[ RUN      ] says_nothing
[  SKIPPED ] says_nothing
[ RUN      ] fails
[  ERROR   ] --- 1 != 2
[  FAILED  ] fails
[ RUN      ] crashes
"""


def test_of_a_c_program_every_test_counts():
    result = count_cmocka({"name": "x / topic", "stdout": CMOCKA, "result": "FAIL"})
    assert result.passed == 1
    assert result.failures == ["topic: fails", "topic: crashes"]
    assert result.skips == [
        "topic: is_skipped: needs two processors: run it on a larger machine",
        "topic: says_nothing: it does not say why",
    ]
    assert str(result) == "1 passed, 2 failed, 2 skipped"


def test_a_program_without_cmocka_counts_as_one():
    assert count_cmocka({"name": "t", "result": "OK"}).passed == 1
    assert count_cmocka({"name": "t", "result": "TIMEOUT"}).failures == ["t: TIMEOUT"]
    assert count_cmocka({"name": "t", "result": "SKIP"}).skips == ["t"]
    assert count_cmocka({"name": "unit - grove:t", "result": "SKIP"}).skips == ["t"]


def test_one_that_passed_its_tests_and_then_crashed_has_failed():
    printed = "[ RUN      ] a\n[       OK ] a\n"
    result = count_cmocka({"name": "t", "stdout": printed, "result": "FAIL"})
    assert result.passed == 1 and result.failures == ["t: FAIL"]


def test_lines_that_tell_why():
    printed = [
        "E       assert 1 == 2",
        "FAILED test_a.py::test_b - assert 1 == 2",
        "==12==ERROR: AddressSanitizer: heap-use-after-free on address 0x1",
        "==12== 8 bytes in 1 blocks are definitely lost in loss record 1 of 2",
        "test_a: test_a.c:3: f: Assertion `a' failed.",
    ]
    assert telling_lines("\n".join(printed)) == printed
    assert telling_lines(CMOCKA) == ["[  ERROR   ] --- 1 != 2", "[  FAILED  ] fails"]
    assert telling_lines("    Failures: 0\n1 passed\n[2/9] FAILED_to.c.o\n") == []


def test_reports_of_pytest(tmp_path: Path):
    report = tmp_path / "report.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="c" name="ok"/>
        <testcase classname="c" name="bad"><failure/></testcase>
        <testcase classname="c" name="broken"><error/></testcase>
        <testcase classname="c" name="not"><skipped message="no sun"/></testcase>
        </testsuite></testsuites>"""
    )
    result = count_pytest(report)
    assert result.passed == 1
    assert result.failures == ["c.bad", "c.broken"]
    assert result.skips == ["c.not: no sun"]


class Log:
    """A log that grows, and who reads it."""

    def __init__(self, path: Path, doing: str = "starting", tests: tuple = ()) -> None:
        self._path = path
        path.write_text("of an earlier command: [9/9] x\n")
        self._reader = Reader(path, doing, tests)

    def grows(self, text: str) -> str:
        with self._path.open("a") as file:
            file.write(text)
        return self._reader.read()


def test_progress_of_a_build(tmp_path: Path):
    log = Log(tmp_path / "log", "building")
    assert log.grows("ninja: Entering directory\n") == "building"
    assert log.grows("[3/40] Compiling C object x.o\n[4/") == "3 of 40, building"
    assert log.grows("40] Linking\n") == "4 of 40, building"


def test_progress_of_c_tests(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    log = Log(tmp_path / "log", tests=("context", "hub", "dns"))
    assert log.grows("") == "0 of 3, context and hub"
    assert log.grows("1/3 hub   OK   0.05s\n") == "1 of 3, context and dns"
    assert log.grows("2/3 grove:unit / context  FAIL  3.00s\n") == "2 of 3, dns"
    # As Meson has it from 1.10 on.
    assert log.grows("3/3 unit - grove:dns    OK   1.00s\n").startswith("3 of 3")


def test_progress_of_python_tests(tmp_path: Path):
    log = Log(tmp_path / "log")
    assert log.grows("collecting ... collected 2 items\n\n").endswith("of 2, starting")
    assert log.grows("tests/a/test_x.py::test_y[a b] ") == (
        "0 of 2, tests/a/test_x.py::test_y[a b]"
    )
    assert log.grows("PASSED   [1/2]\ntests/a/test_x.py::test_z ") == (
        "1 of 2, tests/a/test_x.py::test_z"
    )
    assert log.grows("SKIPPED (why)  [2/2]\n").startswith("2 of 2")
