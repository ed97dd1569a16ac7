"""The raw greenlet under valgrind, which knows of its stacks: no error.

The build is one with -Dmemcheck=enabled.
"""

import os
import subprocess
import sys
from pathlib import Path

from build_tree import BUILD, ROOT

SUPPRESSED = Path(__file__).with_name("cpython.supp")
PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)


def test_the_bodies_of_the_raw_greenlets_tests():
    result = subprocess.run(
        ["valgrind", "-q", "--error-exitcode=99", f"--suppressions={SUPPRESSED}"]
        + [PYTHON, "-W", "ignore"]
        + [ROOT / "tests" / "python" / "greenlet_bodies.py"],
        env={
            **os.environ,
            "PYTHONPATH": str(BUILD / "python"),
            "PYTHONMALLOC": "malloc",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    # Forked children report by their own exit statuses, which the tests check.
    assert result.returncode == 0, result.stderr[-20_000:]
    assert "ERROR" not in result.stderr
    assert int(result.stdout.split()[-1]) > 150
