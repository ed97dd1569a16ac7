"""multiprocessing beside greenlets: what of it works with threads native, as its own
helpers are threads."""

import concurrent.futures
import multiprocessing
import os
import sys

from gevent import monkey

monkey.patch_all(thread=False)

import gevent  # noqa: E402


def square(n: int) -> int:
    return n * n


def child(pipe: object) -> None:
    """Greenlets in the forked process, with a hub of its own."""
    jobs = [gevent.spawn(gevent.sleep, 0.001) for _ in range(10)]
    gevent.joinall(jobs)
    pipe.send((os.getpid(), len(jobs)))


def processes() -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=child, args=(theirs,))
    process.start()
    pid, answer = ours.recv()
    process.join(30)
    print("child", pid == process.pid, answer, process.exitcode)

    fork = multiprocessing.get_context("fork")
    with fork.Pool(2) as pool:
        print("pool", sum(pool.map(square, range(100))))
    spawned = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawned) as executor:
        print("executor", sum(executor.map(square, range(10))))


def manager() -> None:
    with multiprocessing.Manager() as managed:
        shared = managed.dict()
        shared["a"] = 1
        print("manager", dict(shared))


if __name__ == "__main__":
    {"processes": processes, "manager": manager}[sys.argv[1]]()
