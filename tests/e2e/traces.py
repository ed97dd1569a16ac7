"""Traces of whole programs: how they are made, and what is in the JSON."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from build_tree import BUILD

COMMAND = BUILD / "tool" / "grove"
EXAMPLES = BUILD / "examples"
PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)

#: A reader whose byte comes 20 ms later, and one that computes meanwhile.
PROGRAM = """
import socket, time
import grove

def read(sock):
    assert sock.recv(1) == b"x"

def write(sock):
    grove.sleep(0.02)
    sock.send(b"x")

def compute():
    end = time.monotonic() + 0.01
    while time.monotonic() < end:
        pass

from grove import monkey
monkey.patch_all()
a, b = socket.socketpair()
tasks = [grove.spawn(read, a), grove.spawn(write, b), grove.spawn(compute)]
tasks[0].name = "the \\u00e4 <reader>"
grove.joinall(tasks)
print(a.fileno())
"""

#: Four hubs that sleep.
HUBS = """
import threading, grove
threads = [threading.Thread(target=grove.sleep, args=(0.01,)) for _ in range(3)]
grove.sleep(0.01)
[t.start() for t in threads]; [t.join() for t in threads]
"""

#: More events than a small ring has.
TURNS = """
import grove
def turns():
    for _ in range(5000): grove.sleep(0)
grove.joinall([grove.spawn(turns), grove.spawn(turns)])
"""

#: Which knows nothing of Grove.
THREAD = """
import threading, time
t = threading.Thread(target=time.sleep, args=(0.01,))
t.start(); t.join()
"""


def run(*arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "trace", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


class Trace:
    """A file: its rows by name, and of each what it did, in pairs of events."""

    def __init__(self, path: Path):
        self.data = json.loads(path.read_text())
        self.names: dict[tuple[int, int], str] = {}
        self.hubs: dict[int, str] = {}
        self.moments: dict[tuple[int, int], list[dict]] = defaultdict(list)
        self.slices: dict[tuple[int, int], list[tuple[dict, dict]]] = defaultdict(list)
        begun: dict[tuple[int, int], dict] = {}
        for event in self.data["traceEvents"]:
            row = event["pid"], event["tid"]
            if event["ph"] == "M" and event["name"] == "thread_name":
                self.names[row] = event["args"]["name"]
            elif event["ph"] == "M":
                self.hubs[event["pid"]] = event["args"]["name"]
            elif event["ph"] == "B":
                assert row not in begun
                begun[row] = event
            elif event["ph"] == "E":
                begin = begun.pop(row)
                assert begin["ts"] <= event["ts"]
                self.slices[row].append((begin, event))
            else:
                assert event["ph"] == "i"
                self.moments[row].append(event)
        assert not begun, "every begin has its end"
        assert set(self.slices) <= set(self.names)

    def did(self, name: str) -> list[str]:
        (row,) = (row for row in self.names if self.names[row] == name)
        return [begin["name"] for begin, _ in self.slices[row]]

    def longest(self, name: str, what: str) -> float:
        """In microseconds."""
        (row,) = (row for row in self.names if self.names[row] == name)
        return max(e["ts"] - b["ts"] for b, e in self.slices[row] if b["name"] == what)


def python_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(BUILD / "python")}
