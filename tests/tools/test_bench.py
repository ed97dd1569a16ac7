"""Benchmarks that need what may not be there, and those that reckon."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from build_tree import ROOT

sys.path.insert(0, str(ROOT / "bench"))


def waits_of(monkeypatch: pytest.MonkeyPatch, how_long) -> tuple[float, str, list[int]]:
    """What is reckoned of 50 waits, of which n take how_long(n); the n asked for."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    import waits

    asked = []

    def run(how: str, n: int) -> float:
        assert how == "plain"
        asked.append(n)
        return how_long(n)

    return *waits.of_all(run, "plain", 50), asked


def test_waits_one_after_another_are_reckoned_from_four(monkeypatch: pytest.MonkeyPatch):
    reckoned = waits_of(monkeypatch, lambda n: n * 0.501)
    assert reckoned == (pytest.approx(25.05), "25.05 s, of 4 measured", [4])


def test_waits_at_once_are_all_measured(monkeypatch: pytest.MonkeyPatch):
    assert waits_of(monkeypatch, lambda n: 0.5 + n / 100) == (1.0, "1.00 s", [4, 50])


@pytest.mark.parametrize(
    "words, said",
    [
        (["waits.py", "hiredis"], "bench: waits_hiredis: no hiredis to build with"),
        (["waits.py", "libpq", "200"], "bench: waits_libpq_200: no libpq to build with"),
        (["run_compressors.py", "pigz"], "bench: run_pigz: no "),
    ],
)
def test_what_is_not_there_is_told_and_left_out(words: list, said: str, tmp_path: Path):
    """Where there is no program but Python."""
    program, *arguments = words
    ended = subprocess.run(
        [sys.executable, ROOT / "bench" / program, *arguments],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert ended.stderr.startswith(said)
