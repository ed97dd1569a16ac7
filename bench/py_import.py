"""Processor time of importing gevent.monkey and of patch_all(), in an interpreter
that has imported nothing else, from compiled files."""

import os
import subprocess
import sys
import tempfile

import peers

PROGRAM = """\
from time import process_time_ns
before = process_time_ns()
from gevent import monkey
monkey.patch_all()
print((process_time_ns() - before) / 1e6)
"""


def measure() -> float:
    return float(subprocess.check_output([sys.executable, "-c", PROGRAM]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # The first round compiles what it imports; so it is no median. (It may
        # be set already: what is measured is this program, started again.)
        os.environ.setdefault("PYTHONPYCACHEPREFIX", folder)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        peers.compare(
            "py_import",
            measure,
            "gevent",
            rounds=21,
            unit="ms-cpu",
            less_is_speed=False,
        )
