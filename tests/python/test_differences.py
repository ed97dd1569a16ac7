"""What docs/from-gevent.md says is otherwise than in gevent is so, on either side."""

import json
import os
import subprocess
import sys
from pathlib import Path

import grove
import pytest

DEBIAN = "/usr/bin/python3"
HERE = Path(__file__).parent
COMPAT = Path(grove.__file__).parents[2] / "compat"

#: Function of differences.py: what it comes to on gevent 22.10, and on Grove.
DIFFERENCES = {
    "two_readers": (["1", "ConcurrentObjectUseError"], ["1", "2"]),
    "files_become_non_blocking": (True, False),
    "pipes_of_children_become_non_blocking": (True, False),
    "epoll_is_removed": (True, False),
    "unlink_all_forgets_who_joins": (True, False),
    "unlink_all_forgets_the_pool": (1, 0),
    "standard_streams_wait": (False, True),
    "greenlets_are_awaitable": (False, True),
    "loops_of_libev_are_there": (True, False),
    "a_read_that_is_shut_down": ("'cancel_wait_ex'", "b''"),
    "a_tls_send_that_would_wait": (0, "SSLWantReadError"),
    "events_of_ends_that_have_gone": (
        [1, 4],  # POLLIN, POLLOUT
        [12, 16],  # POLLOUT with POLLERR, POLLHUP
    ),
    "a_select_of_a_number_that_is_too_large": ("ValueError", "OSError"),
    "a_closed_stdin_is_passed_over": (True, False),
    "an_error_of_preexec_fn": ("ZeroDivisionError", "SubprocessError"),
    "text_of_a_child": ("FileObjectPosix", "TextIOWrapper"),
    "shown_children": (True, False),
    "arguments_of_a_time_out": ([], [1, False]),
    "what_no_exception_is_raised_as": ("AttributeError", "TypeError"),
    "with_starts_a_server": (False, True),
    "a_server_starts_again": ("AttributeError", None),
    "patching_without_os_is_warned_of": (True, False),
    "a_thread_waits_for_the_main_one": ("LoopExit", True),
    "c_ares_has_options": (True, False),
    "a_channel_of_c_ares": (True, "ImportError"),
    "versionless_requests_are_answered": (True, False),
    "a_url_as_the_target_is_the_path": (True, False),
    "two_lengths_are_taken": (True, False),
    "longer_answers_than_told_are_sent": (True, False),
}


def told_by(python: str, path: str | None) -> dict:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    process = subprocess.run(
        [python, "-W", "ignore", HERE / "differences.py"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def ours() -> dict:
    return told_by(sys.executable, str(COMPAT))


@pytest.fixture(scope="module")
def theirs() -> dict:
    look = "import gevent, sys; sys.exit(not gevent.__version__.startswith('22.'))"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if subprocess.run([DEBIAN, "-c", look], env=clean, capture_output=True).returncode:
        pytest.skip("gevent 22.10 is wanted: apt-get install python3-gevent, on Debian 12")
    return told_by(DEBIAN, None)


def test_all_are_known(ours: dict):
    assert ours.keys() == DIFFERENCES.keys()


@pytest.mark.parametrize("name", DIFFERENCES)
def test_here(name: str, ours: dict):
    assert ours[name] == DIFFERENCES[name][1]


@pytest.mark.parametrize("name", DIFFERENCES)
def test_in_gevent(name: str, theirs: dict):
    assert theirs[name] == DIFFERENCES[name][0]
