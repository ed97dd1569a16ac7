"""CPython's own tests hold after patch_all(), but for those that are known.

GROVE_CPYTHON=all has those run, too, that take long or have little to do with what
is patched:

    GROVE_CPYTHON=all tools/check e2e test_cpython
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import environment
from cpython_known import FAIL, SKIP, SLOW, is_of

RUNNER = Path(__file__).with_name("cpython_tests.py")

#: Run whenever the tests are, those that take longest first: the modules, and how
#: many tests of each at least.
MODULES = {
    "test_threading": 150,
    "test_socket": 650,
    "test_subprocess": 300,
    "test_selectors": 90,
    "test_ssl": 160,
    "test_concurrent_futures": 60,
    "test_signal": 40,
    "test_ftplib": 90,
    "test_queue": 40,
    "test_asyncio.test_streams": 60,
    "test_asyncio.test_sock_lowlevel": 35,
    "test_asyncio.test_base_events": 100,
    "test_asyncio.test_unix_events": 110,
    "test_asyncio.test_selector_events": 100,
    "test_asyncio.test_runners": 20,
    "test_asyncio.test_server": 3,
    "test_asyncio.test_threads": 6,
    "test_httplib": 110,
    "test_smtplib": 75,
    "test_select": 6,
    "test_poll": 6,
    "test_epoll": 10,
    "test_thread": 20,
    "test_threading_local": 20,
}

#: Run by hand.
MORE_MODULES = {
    "test_asyncio.test_tasks": 900,
    "test_asyncio.test_events": 240,
    "test_asyncio.test_futures": 150,
    "test_asyncio.test_subprocess": 140,
    "test_asyncio.test_ssl": 20,
    "test_asyncio.test_sendfile": 55,
    "test_asyncio.test_taskgroups": 30,
    "test_asyncio.test_sslproto": 30,
    "test_asyncio.test_waitfor": 15,
    "test_asyncio.test_proactor_events": 75,
    "test_asyncio.test_locks": 70,
    "test_asyncio.test_queues": 40,
    "test_asyncio.test_timeouts": 20,
    "test_asyncio.test_pep492": 10,
    "test_asyncio.test_transports": 7,
    "test_asyncio.test_protocols": 5,
    "test_asyncio.test_futures2": 3,
    "test_asyncio.test_buffered_proto": 2,
    "test_asyncio.test_context": 1,
}

ALL = os.environ.get("GROVE_CPYTHON") == "all"
if ALL:
    MODULES = MORE_MODULES | MODULES

#: How many run at once. They mostly sleep.
AT_ONCE = 4


def run(module: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a module's tests, with what they leave behind in folder."""
    left_out = [*SKIP.get(module, {}), *({} if ALL else SLOW.get(module, {}))]
    return subprocess.run(
        [sys.executable, RUNNER, module, *left_out],
        env=environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
    )


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future]]:
    """The runs of all modules whose tests were asked for, under way."""
    tests = [t for t in request.session.items if t.path == request.path]
    modules = [test.callspec.params["module"] for test in tests]
    folder = tmp_path_factory.mktemp("cpython")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {module: pool.submit(run, module, folder) for module in modules}
        pool.shutdown(cancel_futures=True)


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the list of what fails is of CPython 3.11's tests; run it by that",
)
@pytest.mark.skipif(
    importlib.util.find_spec("test.test_threading") is None,
    reason="CPython's tests are not here: apt-get install libpython3.11-testsuite",
)
@pytest.mark.parametrize("module", MODULES)
def test_of_cpython(module: str, running: dict[str, Future]) -> None:
    result = running[module].result()
    lines = [line.split() for line in result.stdout.splitlines() if line]
    ran = [int(words[1]) for words in lines if words[0] == "ran"]
    assert ran and ran[0] >= MODULES[module], result.stderr[-4000:]
    failed = [words[1] for words in lines if words[0] == "failed"]
    known = FAIL.get(module, {})
    unknown = [t for t in failed if not any(is_of(t, name) for name in known)]
    assert unknown == [], result.stderr[-8000:]
    # What holds is not listed.
    assert [n for n in known if not any(is_of(t, n) for t in failed)] == []
