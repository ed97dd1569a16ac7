"""`make demo`, past the building."""

import re
import subprocess
from pathlib import Path

from build_tree import BUILD, ROOT


def test_demo_shows_both_languages_being_faster_at_once():
    output = subprocess.check_output(
        [ROOT / "tools" / "demo", BUILD], text=True, timeout=60
    )
    apart = [int(ms) for ms in re.findall(r"^one after another: (\d+) ms$", output, re.M)]
    together = [int(ms) for ms in re.findall(r"^at once: (\d+) ms$", output, re.M)]
    assert len(apart) == len(together) == 2
    # The pages take 1,500 ms in all, the slowest of them 500.
    assert all(ms >= 1500 for ms in apart)
    assert all(500 <= at_once < ms for at_once, ms in zip(together, apart))
    # The page of what was traced: each of the greenlets has waited.
    page = Path(output.splitlines()[-1].rpartition(": ")[2]).read_text()
    assert page.startswith("<!DOCTYPE html>") and page.count('"cat":"wait"') >= 10
