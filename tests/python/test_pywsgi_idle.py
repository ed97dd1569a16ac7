"""What a connection costs that waits for its next request."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import grove
import pytest
from awaiting import HANG
from sanitized import own_memory

CONNECTIONS = 1000
MOST = 6 * 1024  # bytes that are resident, of a connection; a second page has it fail

CLIENTS = """
    import socket, sys

    port, count = int(sys.argv[1]), int(sys.argv[2])
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nUser-Agent: b\\r\\n\\r\\n")
        answer = b""
        while not answer.endswith(b"hello"):
            answer += client.recv(1000)
        clients.append(client)
    print(flush=True)
    sys.stdin.read()
"""

SERVER = """
    import gc, os, resource, subprocess, sys, time
    from grove import os as grove_os, sleep
    from grove.pywsgi import WSGIServer

    clients, most, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    count = int(sys.argv[4])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def application(environ, start_response):
        def deeper(levels):
            return sorted([0], key=lambda _: deeper(levels - 1)) if levels else [0]
        deeper(3)  # on more of the stack than a connection that waits needs
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    server = WSGIServer(("127.0.0.1", 0), application, log=None)
    server.start()

    def connect(count):
        process = subprocess.Popen(
            [sys.executable, "-c", clients, str(server.address[1]), str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        grove_os.tp_read(process.stdout.fileno(), 1)
        return process

    def resident():
        gc.collect()
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    first = connect(1)  # whatever is made once
    before = resident()
    many = connect(count)
    end = time.monotonic() + patience
    while (each := (resident() - before) / count) > most and time.monotonic() < end:
        sleep(0.1)
    print(each)
    first.kill(), many.kill()
    first.wait(), many.wait()
"""


@own_memory
def test_a_page_of_stack_and_its_objects():
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 2 * CONNECTIONS:
        pytest.skip(f"no {2 * CONNECTIONS} descriptors: `ulimit -Hn` says {hard}")
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SERVER), textwrap.dedent(CLIENTS)]
        + [str(MOST), str(HANG), str(CONNECTIONS)],
        env={**os.environ, "PYTHONPATH": str(Path(grove.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=4 * HANG,
    )
    assert told.stderr == ""
    assert 4096 < float(told.stdout) <= MOST
