"""What patching costs a program of threads: locks that nobody else wants, queues,
starting threads, the executor. As a ratio to the standard library's own in the
same process, by turns where both can be had at once, and to gevent's patched ones.

py_threads.py lock | rlock | std_queue | simple_queue | thread | submit
"""

import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from statistics import median
from time import perf_counter_ns

import peers

Turn = Callable[[], float]


def timed(count: int) -> Callable[[Callable[[int], None]], Turn]:
    """Makes body(count) a turn: it returns the nanoseconds of one."""

    def wrap(body: Callable[[int], None]) -> Turn:
        def turn() -> float:
            start = perf_counter_ns()
            body(count)
            return (perf_counter_ns() - start) / count

        return turn

    return wrap


def lock_turn(lock: object) -> Turn:
    @timed(10_000)
    def turn(count: int) -> None:
        for _ in repeat(None, count):
            lock.acquire()
            lock.release()
            with lock:
                pass

    return turn


def queue_turn(items: object) -> Turn:
    @timed(2_000)
    def turn(count: int) -> None:
        for _ in repeat(None, count):
            items.put(None)
            items.get()

    return turn


def nothing() -> None:
    pass


def thread_turn() -> Turn:
    @timed(500)
    def turn(count: int) -> None:
        for _ in repeat(None, count):
            thread = threading.Thread(target=nothing)
            thread.start()
            thread.join()

    return turn


def submit_turn() -> Turn:
    @timed(500)
    def turn(count: int) -> None:
        with ThreadPoolExecutor(2) as executor:
            for _ in repeat(None, count):
                executor.submit(nothing).result()

    return turn


#: What makes a turn of what is standard then, and how many times its turns come.
ROWS: dict[str, tuple[Callable[[], Turn], int]] = {
    "lock": (lambda: lock_turn(threading.Lock()), 31),
    "rlock": (lambda: lock_turn(threading.RLock()), 31),
    "std_queue": (lambda: queue_turn(queue.Queue()), 31),
    "simple_queue": (lambda: queue_turn(queue.SimpleQueue()), 31),
    "thread": (thread_turn, 3),
    "submit": (submit_turn, 3),
}
#: Those whose native form is there after patching, too.
OBJECTS = ("lock", "rlock", "std_queue", "simple_queue")


def measure(row: int) -> float:
    """What a turn takes patched, in native ones."""
    name = list(ROWS)[row]
    make, rounds = ROWS[name]
    native = make()
    before = min(native() for _ in range(rounds))
    from gevent import monkey

    monkey.patch_thread()
    monkey.patch_queue()
    patched = make()
    if name in OBJECTS:
        return median(patched() / native() for _ in range(rounds))
    return min(patched() for _ in range(rounds)) / before


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(measure(int(sys.argv[2])))
    else:
        name = sys.argv[1]
        row = list(ROWS).index(name)
        sys.argv[1:] = []
        peers.compare(
            f"py_{name}", measure, "gevent", row, rounds=5, unit="x native", is_ratio=True
        )
