"""Tools of processes, messages and calls: sh, pexpect, watchdog, zmq, grpc."""

import sys
from pathlib import Path

import pytest
import servers
from runtimes import Runtime

ON_GROVE = pytest.mark.parametrize("on", ["grove"], indirect=True)


@ON_GROVE
def test_sh(on: Runtime) -> None:
    """On gevent it never returns: the threads that read its pipes hold up all."""
    assert on.run("tools_of_processes.py", "sh") == [
        "spoken",
        "ten 55",
        "piped 100",
        "lines 1 2 3 4 5",
        "failed 1",
    ]


def test_pexpect(on: Runtime) -> None:
    assert on.run("tools_of_processes.py", "pexpect") == [
        "matched 1 b'there'",
        "0",
        "ended 0",
        "spoken 3",
    ]


@ON_GROVE
def test_watchdog(on: Runtime) -> None:
    """On gevent its thread reads inotify's descriptor, and holds up all."""
    assert on.run("tools_of_processes.py", "watchdog") == [
        "created file",
        "seen True",
        "deleted file",
        "seen True",
        "alive False",
    ]


def test_zmq(on: Runtime) -> None:
    assert on.run("zmq_green.py") == [
        "answered 80",
        "waiting 10",
        "pulled 499500",
        "polls False",
        "polled True b'x'",
        "nothing []",
        "again",
        "next b'y'",
        "ended",
    ]


def test_zmq_pairs(on: Runtime) -> None:
    assert on.run("zmq_pairs.py") == [
        "asked 1000",
        "subscribed [b'\\x01even', b'\\x01odd']",
        "heard True",
        "ticked True",
    ]


def test_grpc(on: Runtime) -> None:
    server = Path(__file__).resolve().parent / "grpc_server.py"
    port = servers.free_port()
    with servers.folder() as home:
        with servers.running([sys.executable, server, port], home / "log", port):
            assert on.run("grpc_calls.py", port) == [
                "met 495",
                "counted 4950",
                "NOT_FOUND",
                "DEADLINE_EXCEEDED",
            ]
