"""concurrent.futures on patched threads, which are greenlets, and on native ones."""

from gevent import monkey

monkey.patch_all()

import threading  # noqa: E402
from concurrent.futures import (  # noqa: E402
    FIRST_COMPLETED,
    ThreadPoolExecutor,
    as_completed,
    wait,
)

import gevent  # noqa: E402
from gevent.threadpool import ThreadPoolExecutor as NativeExecutor  # noqa: E402

barrier = threading.Barrier(10)

with ThreadPoolExecutor(10) as executor:
    # Each waits for all the others.
    met = [executor.submit(barrier.wait, 30) for _ in range(10)]
    print("met", sorted(future.result(30) for future in met))
    nested = executor.submit(lambda: executor.submit(pow, 2, 5).result(30))
    print("nested", nested.result(30))
    door = threading.Event()
    late = executor.submit(door.wait, 30)
    quick = executor.submit(int, "7")
    done, pending = wait([late, quick], return_when=FIRST_COMPLETED)
    print("first", [f.result() for f in done], len(pending))
    door.set()
    failed = executor.submit(int, "x")
    print("failed", type(failed.exception(30)).__name__)
    print("map", sum(executor.map(abs, range(-50, 50))))
    slow = [executor.submit(gevent.sleep, 0.001) for _ in range(5)]
    print("completed", len(list(as_completed(slow, timeout=30))))

with ThreadPoolExecutor(1) as executor:
    holding = executor.submit(gevent.sleep, 0.01)
    cancelled = executor.submit(print, "never")
    print("cancelled", cancelled.cancel(), holding.result(30))

with NativeExecutor(2) as executor:
    native = [executor.submit(pow, 2, n) for n in range(10)]
    print("native", sum(future.result(30) for future in native))
