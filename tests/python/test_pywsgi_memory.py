"""The memory that a body passes through."""

import os
import subprocess
import sys

from awaiting import HANG
from sanitized import own_memory

# Reads 8 MiB in chunks of 16 KiB, and prints how many pages that was the first to
# touch.
READING = """
import resource
import grove
from grove import _core, socket
from grove.serving.input import Input

CHUNK, TIMES = 16384, 512

def send(sock):
    for _ in range(TIMES):
        sock.sendall(b"%x\\r\\n%b\\r\\n" % (CHUNK, bytes(CHUNK)))
    sock.sendall(b"0\\r\\n\\r\\n")

near, far = socket.socketpair()
sending = grove.spawn(send, far)
body = Input(_core.HTTPReader(near, near._sock), None, chunked_input=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
total = 0
while data := body.read(CHUNK):
    total += len(data)
assert total == CHUNK * TIMES
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@own_memory
def test_chunks_take_the_same_memory_again():
    """A buffer is not taken from the system and given back for each piece: where
    malloc does so at once, 2,048 pages come by fewer than a tenth of them."""
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "32768"}
    command = [sys.executable, "-c", READING]
    told = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, check=True, timeout=HANG
    )
    assert int(told.stdout) < 204
