"""What a part of the tests came to, counted from what the test runners wrote."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Result:
    """What a part ran; failures and skips by name, for people."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        self.passed += other.passed
        self.failures += other.failures
        self.skips += other.skips

    def __str__(self) -> str:
        return (
            f"{self.passed} passed, {len(self.failures)} failed, "
            f"{len(self.skips)} skipped"
        )


#: What pytest, cmocka, assert(), the sanitizers and valgrind print of a failure.
TELLING = re.compile(
    r"^E   |^\[  (ERROR|FAILED)|^\[   LINE|Assertion .* failed|^(FAILED|ERROR) "
    r"|^SUMMARY: |^==\d+==(ERROR|WARNING)|^==\d+== .*(uninitialised|Invalid|lost)|TIMEOUT|Fatal"
)


def telling_lines(printed: str) -> list[str]:
    """Those lines of a part's log that say why something failed."""
    return [line for line in printed.splitlines() if TELLING.search(line)]


def reason(printed: str, test: str) -> str:
    """What a C test that was skipped printed last before that."""
    of_test = printed.partition(f"[ RUN      ] {test}\n")[2]
    lines = of_test.partition(f"[  SKIPPED ] {test}")[0].split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def count_cmocka(test: dict) -> Result:
    """The tests of one C program, by the lines cmocka printed.

    A test that began and did not end in OK or SKIPPED has failed. A program
    that prints no such lines counts as one test.
    """
    name = re.split(" / |:", test["name"])[-1]
    printed = test.get("stdout") or ""
    began = re.findall(r"^\[ RUN      \] (.+)$", printed, re.M)
    ok = set(re.findall(r"\[       OK \] (.+)$", printed, re.M))
    skipped = set(re.findall(r"\[  SKIPPED \] (.+)$", printed, re.M))

    result = Result(passed=len(ok))
    for case in began:
        if case in skipped:
            why = reason(printed, case) or "it does not say why"
            result.skips.append(f"{name}: {case}: {why}")
        elif case not in ok:
            result.failures.append(f"{name}: {case}")
    if test["result"] == "SKIP":
        result.skips.append(name)
    elif test["result"] != "OK" and not result.failures:
        result.failures.append(f"{name}: {test['result']}")
    elif test["result"] == "OK" and not began:
        result.passed += 1
    return result


def count_meson(logs: list[Path]) -> Result:
    """The tests that `meson test` wrote of."""
    result = Result()
    for log in logs:
        for line in log.read_text().splitlines():
            result.add(count_cmocka(json.loads(line)))
    return result


def count_pytest(report: Path) -> Result:
    """The tests of a report of pytest's, in JUnit's XML."""
    result = Result()
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            result.failures.append(name)
        elif (skip := case.find("skipped")) is not None:
            result.skips.append(f"{name}: {skip.get('message')}")
        else:
            result.passed += 1
    return result
