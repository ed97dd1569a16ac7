"""What it costs that somebody looks for stalls, as a ratio to the same without
(GROVE_STALLS=0): processor time of the process, the watcher's thread included.

py_stalls.py busy | wakes
    busy   a hand-over between two greenlets by Events; the hub never sleeps
    wakes  a wait of 1 ms, for which the hub sleeps
"""

import subprocess
import sys
from statistics import median
from time import process_time_ns

import gevent
import peers
from gevent.event import Event

ROUNDS = 15
COUNTS = {"busy": 100_000, "wakes": 300}


def busy(count: int) -> None:
    here, there = Event(), Event()

    def other() -> None:
        for _ in range(count):
            here.wait()
            here.clear()
            there.set()

    waiting = gevent.spawn(other)
    for _ in range(count):
        here.set()
        there.wait()
        there.clear()
    waiting.join()


def wakes(count: int) -> None:
    for _ in range(count):
        gevent.sleep(0.001)


def turn(kind: str) -> float:
    count = COUNTS[kind]
    run = {"busy": busy, "wakes": wakes}[kind]
    run(count // 10)
    start = process_time_ns()
    run(count)
    return (process_time_ns() - start) / count


def measure(kind: str, limit: str) -> float:
    """A turn in a process of its own."""
    command = [sys.executable, __file__, kind, "--measure"]
    environment = {**peers.environment(True), "GROVE_STALLS": limit}
    return float(subprocess.check_output(command, env=environment, text=True))


def main() -> None:
    kind = sys.argv[1]
    if sys.argv[2:] == ["--measure"]:
        print(turn(kind))
        return
    pairs = [(measure(kind, ""), measure(kind, "0")) for _ in range(ROUNDS)]
    ratio = median(looked / left_alone for looked, left_alone in pairs)
    least = min(looked for looked, _ in pairs)
    peers.report(f"py_stalls_{kind}", least, "ns", ratio, "without the watcher")


if __name__ == "__main__":
    main()
