"""The standard library's clients and servers, processes and executors."""

from pathlib import Path

import pytest
import servers
from runtimes import Runtime

ON_GROVE = pytest.mark.parametrize("on", ["grove"], indirect=True)


def test_servers(on: Runtime) -> None:
    assert on.run("standard_servers.py") == [
        "http 45 135",
        "tcp True",
        "udp True",
        "xmlrpc 285",
    ]


def test_smtplib(on: Runtime) -> None:
    words = ["-n", "-c", "aiosmtpd.handlers.Sink", "-l", "127.0.0.1:PORT"]
    with servers.python_server("aiosmtpd", "python3-aiosmtpd", *words) as port:
        assert on.run("mail_and_files.py", "smtp", port) == [
            "True",
            "500",
        ]


def test_imaplib(on: Runtime, dovecot: int) -> None:
    size = 10 * 5 * len("Subject: letter 0\r\n\r\n" + "x" * 1000 + "\r\n")
    assert on.run("mail_and_files.py", "imap", dovecot) == [str(size), "refused"]


def test_ftplib(on: Runtime, tmp_path: Path) -> None:
    words = ["-i", "127.0.0.1", "-p", "PORT", "-w", "-d", tmp_path]
    with servers.python_server("pyftpdlib", "python3-pyftpdlib", *words) as port:
        assert on.run("mail_and_files.py", "ftp", port) == ["5500000", "550"]


def test_multiprocessing(on: Runtime) -> None:
    assert on.run("multiprocessing_pools.py", "processes") == [
        "child True 10 0",
        "pool 328350",
        "executor 285",
    ]


@ON_GROVE
def test_multiprocessing_manager(on: Runtime) -> None:
    """On gevent the manager's threads cannot use the patched sockets."""
    assert on.run("multiprocessing_pools.py", "manager") == ["manager {'a': 1}"]


def test_futures(on: Runtime) -> None:
    assert on.run("futures_in_threads.py") == [
        "met [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
        "nested 32",
        "first [7] 1",
        "failed ValueError",
        "map 2500",
        "completed 5",
        "cancelled True None",
        "native 1023",
    ]
