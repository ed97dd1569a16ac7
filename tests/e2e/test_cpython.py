"""CPython's own tests hold after patch_all(), but for those that are known."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment
from cpython_known import FAIL, SKIP, is_of

RUNNER = Path(__file__).with_name("cpython_tests.py")

#: The modules, and how many tests of each are run at least.
MODULES = {
    "test_thread": 20,
    "test_threading_local": 20,
    "test_queue": 40,
    "test_threading": 150,
    "test_concurrent_futures": 60,
    "test_subprocess": 300,
    "test_signal": 40,
}


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the list of what fails is of CPython 3.11's tests; run it by that",
)
@pytest.mark.parametrize("module", MODULES)
def test_of_cpython(module):
    if importlib.util.find_spec("test.test_threading") is None:
        pytest.skip("CPython's tests are not here: apt-get install libpython3.11-testsuite")
    result = subprocess.run(
        [sys.executable, RUNNER, module, *SKIP.get(module, {})],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = [line.split() for line in result.stdout.splitlines() if line]
    ran = [int(words[1]) for words in lines if words[0] == "ran"]
    assert ran and ran[0] >= MODULES[module], result.stderr[-4000:]
    failed = [words[1] for words in lines if words[0] == "failed"]
    known = FAIL.get(module, {})
    unknown = [t for t in failed if not any(is_of(t, name) for name in known)]
    assert unknown == [], result.stderr[-8000:]
    # What holds is not listed.
    assert [n for n in known if not any(is_of(t, n) for t in failed)] == []
