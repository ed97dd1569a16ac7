"""Random small programs, and the log of what happens in each.

    random_programs.py SEED COUNT

runs programs SEED to SEED + COUNT - 1 under whichever gevent is importable and
prints the log of each, with its seed, as a line of JSON. A program is made from its
seed alone, so two runs, under two gevents, can be compared; test_random_programs.py
does.

A program is a few tasks, each a list of operations on what all of them share.
What ends a wait is another operation, or a timer; there is no other time. The
entry ["known", what] says that from there on gevent 22 does what it should not:
KNOWN in compare_programs.py says what. The timers of one program have 1, 2, 4 and 8
units, so that no two sums of them are alike; a program that has any can be run again
with a longer unit (UNIT, in seconds, of the environment) when the machine was too busy
for the first.
"""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

UNIT = float(os.environ.get("UNIT", "0.01"))
TASKS = 6

Operation = tuple[Any, ...]

#: Operations that wait for the ends of tasks.
WAITS = {"join", "get", "kill", "killall", "joinall", "wait"}


# ---- making one ---------------------------------------------------------------


class Maker:
    """The tasks of the program with this seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.timers = [1, 2, 4, 8] if self.random.random() < 0.4 else []
        self.random.shuffle(self.timers)
        #: Kinds of objects: a program is about few, so that they meet.
        self.kinds = self.random.sample(
            ["greenlet", "event", "result", "queue", "channel", "semaphore", "pool"],
            self.random.choice([1, 2, 2, 3]),
        )
        self.spawned = {0}
        self.pooled: set[int] = set()

    def tasks(self) -> list[list[Operation]]:
        return [
            [self.operation() for _ in range(self.random.randint(1, 6))]
            for _ in range(TASKS)
        ]

    def operation(self) -> Operation:
        if self.random.random() < 0.25:
            return ("sleep0",)
        if self.random.random() < 0.25:
            return self.greenlet()
        return getattr(self, self.random.choice(self.kinds))()

    def timeout(self) -> float | None:
        """None mostly, sometimes nothing at all, sometimes a timer."""
        chance = self.random.random()
        if chance < 0.12:
            return 0
        if chance < 0.4 and self.timers:
            return self.timers.pop()
        return None

    def task(self) -> int:
        return self.random.randrange(TASKS)

    def some(self) -> list[int]:
        return self.random.sample(range(TASKS), self.random.randint(1, 3))

    def greenlet(self) -> Operation:
        choose = self.random.choice
        kind = choose(
            "spawn spawn spawn spawn join join get get link link kill killall"
            " joinall wait raise inside later ready unlink raw".split()
        )
        if kind == "later":
            if not self.timers:
                return ("spawn", self.task())
            return ("later", self.task(), self.timers.pop())
        if kind == "link":
            how = choose(["link", "rawlink", "link_value", "link_exception"])
            return ("link", self.task(), how, choose(["", "", "set", "spawn", "release"]))
        if kind in ("join", "get"):
            return (kind, self.task(), self.timeout())
        if kind in ("kill",):
            return (kind, self.task(), choose([True, False]))
        if kind == "killall":
            return (kind, self.some(), choose([True, False]))
        if kind == "joinall":
            return (kind, self.some(), choose([None, None, 1]), self.timeout())
        if kind == "wait":
            return (kind, self.some(), choose([None, 1]), choose(["wait", "iwait"]))
        if kind == "inside":
            return (kind, self.timeout(), [self.operation() for _ in range(2)])
        if kind == "raise":
            return (kind,)
        return (kind, self.task())

    def event(self) -> Operation:
        kind = self.random.choice("set set clear wait wait wait is_set link".split())
        return ("event", kind, self.random.randrange(2), self.timeout())

    def result(self) -> Operation:
        kind = self.random.choice("set fail get get wait link new".split())
        return ("result", kind, self.random.randrange(2), self.timeout())

    def queue(self) -> Operation:
        kind = self.random.choice(
            "put put put get get get peek put_nowait get_nowait size join done".split()
        )
        return ("queue", kind, self.random.randrange(4), self.timeout())

    def channel(self) -> Operation:
        kind = self.random.choice("put put put get get get balance".split())
        return ("channel", kind, 0, self.timeout())

    def semaphore(self) -> Operation:
        kind = self.random.choice(
            "acquire acquire acquire release release release try wait count with link".split()
        )
        return ("semaphore", kind, self.random.randrange(3), self.timeout())

    def pool(self) -> Operation:
        kind = self.random.choice(
            "spawn spawn spawn spawn join kill killone map imap unordered available"
            " apply size".split()
        )
        which = self.random.randrange(3)
        return ("pool", kind, which, self.task(), self.timeout())


# ---- running it ---------------------------------------------------------------


class Failed(Exception):
    """What tasks raise."""


def name_of(what: Any) -> Any:
    """Something that is the same under both."""
    if isinstance(what, (list, tuple)):
        return [name_of(each) for each in what]
    if isinstance(what, BaseException) and not isinstance(what, type):
        return type(what).__name__
    return what if isinstance(what, (int, str, bool, float, type(None))) else "?"


class Program:
    """One of them, while it runs."""

    def __init__(self, seed: int) -> None:
        from gevent import event, hub, lock, pool, queue

        self.make = Maker(seed)
        self.tasks = self.make.tasks()
        self.log: list[Any] = []
        self.greenlets: dict[int, Any] = {}
        self.every: list[Any] = []
        self.events = [event.Event() for _ in range(2)]
        self.results = [event.AsyncResult() for _ in range(2)]
        self.queues = [
            queue.JoinableQueue(),
            queue.JoinableQueue(1),
            queue.Queue(2),
            queue.PriorityQueue(1),
        ]
        self.channels = [queue.Channel()]
        self.semaphores = [
            lock.Semaphore(1),
            lock.BoundedSemaphore(2),
            lock.RLock(),
        ]
        self.pools = [pool.Pool(1), pool.Pool(2), pool.Group()]
        self.hub = hub.get_hub()
        self.items = 0
        self.new_result = event.AsyncResult
        #: How many wait for the end of each task.
        self.awaited = Counter()
        #: Semaphores of which somebody took what was released for who waits.
        self.overtaken = [0, 0, 0]
        #: Events that were cleared before those it had been set for went on.
        self.cleared = Counter()

    def run(self) -> list[Any]:
        import gevent

        self.hub.handle_error = self.on_error
        try:
            self.spawn(0)
            for task in self.make.random.sample(range(1, TASKS), 2):
                self.spawn(task)
            gevent.wait()
        except BaseException as error:
            self.note("main", type(error).__name__)
        log = list(self.log)
        for _ in range(20):
            left = [g for g in self.every if not g.dead]
            if not left:
                break
            gevent.killall(left, block=False)
            gevent.sleep(0)
        gevent.sleep(0)
        del self.hub.handle_error
        return log

    def note(self, *what: Any) -> None:
        self.log.append(name_of(what))

    def on_error(self, context: Any, kind: Any, value: Any, traceback: Any) -> None:
        where = "greenlet" if hasattr(context, "ready") else type(context).__name__
        self.note("error", kind.__name__, where)

    # ---- tasks

    def spawn(self, task: int, start: Callable[..., Any] | None = None) -> None:
        import gevent

        if task in self.greenlets:
            self.note("spawned already", task)
            return
        self.greenlets[task] = None
        if start is None:
            start = gevent.spawn
        g = start(self.body, task)
        self.greenlets[task] = g
        self.every.append(g)

    def body(self, task: int) -> int:
        self.note(task, "begins")
        try:
            for at, operation in enumerate(self.tasks[task]):
                self.step(task, at, operation)
        except BaseException as error:
            self.note(task, "ends by", error)
            raise
        self.note(task, "ends")
        return task

    def step(self, task: int, at: Any, operation: Operation) -> None:
        """Do it, and log what came of it."""
        import gevent

        about = operation[1] if operation[0] in WAITS else []
        awaited = about if isinstance(about, list) else [about]
        self.awaited.update(awaited)
        try:
            result = getattr(self, "do_" + operation[0])(task, *operation[1:])
        except (gevent.GreenletExit, Failed):
            raise
        except gevent.Timeout as timeout:
            self.note(task, at, *operation[:2], "Timeout")
            if getattr(timeout, "ours", None):
                raise
        except BaseException as error:
            self.note(task, at, *operation[:2], error)
        else:
            self.note(task, at, *operation[:2], result)
        finally:
            self.awaited.subtract(awaited)

    def other(self, task: int) -> Any:
        """The greenlet of task; None: it has none."""
        return self.greenlets.get(task)

    def others(self, tasks: list[int]) -> list[Any]:
        return [g for g in map(self.other, tasks) if g is not None]

    def numbers(self, greenlets: Any) -> list[int]:
        known = {id(g): task for task, g in self.greenlets.items()}
        return [known.get(id(g), -1) for g in greenlets]

    @staticmethod
    def seconds(timeout: float | None) -> float | None:
        return timeout and timeout * UNIT

    # ---- operations on greenlets

    def do_sleep0(self, task: int) -> None:
        import gevent

        gevent.sleep(0)

    def do_spawn(self, task: int, other: int) -> None:
        self.spawn(other)

    def do_raw(self, task: int, other: int) -> None:
        import gevent

        self.every.append(gevent.spawn_raw(self.note, task, "raw", other))

    def do_later(self, task: int, other: int, units: int) -> None:
        import gevent

        self.spawn(other, lambda *args: gevent.spawn_later(units * UNIT, *args))

    def do_join(self, task: int, other: int, timeout: float | None) -> Any:
        g = self.other(other)
        if g is None or other == task:
            return "nobody"
        g.join(self.seconds(timeout))
        return g.ready()

    def do_get(self, task: int, other: int, timeout: float | None) -> Any:
        g = self.other(other)
        if g is None or other == task:
            return "nobody"
        try:
            return g.get(timeout=self.seconds(timeout))
        except Failed:
            return "failed"

    def do_ready(self, task: int, other: int) -> Any:
        g = self.other(other)
        return g if g is None else [g.ready(), g.successful(), bool(g), g.dead]

    def do_unlink(self, task: int, other: int) -> Any:
        g = self.other(other)
        if g is None:
            return None
        if other % 2 and (self.awaited[other] or any(g in p for p in self.pools)):
            self.note("known", "unlink_all")
        return g.unlink_all() if other % 2 else g.unlink(self.note)

    def do_link(self, task: int, other: int, how: str, then: str) -> Any:
        g = self.other(other)
        if g is None:
            return "nobody"
        getattr(g, how)(lambda source: self.linked(task, other, how, then))
        return None

    def linked(self, task: int, other: int, how: str, then: str) -> None:
        self.note(how, "of", other, "by", task)
        if then == "set":
            self.events[0].set()
        elif then == "release":
            self.semaphores[0].release()
        elif then == "spawn":
            self.spawn((other + 1) % TASKS)

    def do_kill(self, task: int, other: int, block: bool) -> Any:
        g = self.other(other)
        if g is None or other == task:
            return "nobody"
        g.kill(block=block)
        return g.ready()

    def do_killall(self, task: int, others: list[int], block: bool) -> Any:
        import gevent

        gevent.killall(self.others([o for o in others if o != task]), block=block)
        return None

    def do_joinall(
        self, task: int, others: list[int], count: int | None, timeout: float | None
    ) -> Any:
        import gevent

        done = gevent.joinall(
            self.others([o for o in others if o != task]),
            count=count,
            timeout=self.seconds(timeout),
        )
        return self.numbers(done)

    def do_wait(self, task: int, others: list[int], count: int | None, how: str) -> Any:
        import gevent

        greenlets = self.others([o for o in others if o != task])
        if how == "wait":
            return self.numbers(gevent.wait(greenlets, count=count))
        for g in gevent.iwait(greenlets, count=count):
            self.note(task, "iwait", *self.numbers([g]))
        return None

    def do_raise(self, task: int) -> None:
        raise Failed

    def do_inside(
        self, task: int, timeout: float | None, operations: list[Operation]
    ) -> Any:
        """Within a Timeout."""
        import gevent

        with gevent.Timeout(self.seconds(timeout), False):
            for at, operation in enumerate(operations):
                self.step(task, f"inside {at}", operation)
            return "all"
        return "ended"

    # ---- on what they share

    def do_event(self, task: int, kind: str, which: int, timeout: float | None) -> Any:
        event = self.events[which]
        if kind in ("wait", "link") and self.cleared[which] and not event.is_set():
            self.note("known", "cleared")
        if kind == "clear" and event.linkcount():
            self.cleared[which] += 1
            self.hub.loop.run_callback(self.cleared.subtract, [which])
        if kind == "wait":
            return event.wait(self.seconds(timeout))
        if kind == "link":
            return event.rawlink(lambda source: self.note("event", which, "by", task))
        return getattr(event, kind)()

    def do_result(self, task: int, kind: str, which: int, timeout: float | None) -> Any:
        result = self.results[which]
        if kind == "set":
            return result.set(task)
        if kind == "fail":
            return result.set_exception(Failed())
        if kind == "new":
            self.results[which] = self.new_result()
            return None
        if kind == "link":
            return result.rawlink(lambda source: self.note("result", which, "by", task))
        try:
            return getattr(result, kind)(timeout=self.seconds(timeout))
        except Failed:
            return "failed"

    def do_queue(self, task: int, kind: str, which: int, timeout: float | None) -> Any:
        queue = self.queues[which]
        seconds = self.seconds(timeout)
        if kind == "put":
            self.items += 1
            return queue.put(self.items, timeout=seconds)
        if kind == "put_nowait":
            self.items += 1
            return queue.put_nowait(self.items)
        if kind in ("get", "peek"):
            return getattr(queue, kind)(timeout=seconds)
        if kind == "get_nowait":
            return queue.get_nowait()
        if kind == "size" or which > 1:
            return [queue.qsize(), queue.empty(), queue.full()]
        if kind == "join":
            return queue.join(timeout=seconds)
        return queue.task_done()

    def do_channel(self, task: int, kind: str, which: int, timeout: float | None) -> Any:
        channel = self.channels[which]
        if kind == "put":
            self.items += 1
            return channel.put(self.items, timeout=self.seconds(timeout))
        if kind == "get":
            return channel.get(timeout=self.seconds(timeout))
        return channel.balance

    def do_semaphore(
        self, task: int, kind: str, which: int, timeout: float | None
    ) -> Any:
        semaphore = self.semaphores[which]
        lock = which == 2
        if kind in ("acquire", "try", "with") and not lock and semaphore.linkcount():
            self.overtaken[which] |= semaphore.counter > 0
        if kind == "release" and self.overtaken[which]:
            self.note("known", "overtaken")
        if kind == "acquire":
            return semaphore.acquire(timeout=self.seconds(timeout))
        if kind == "try":
            return semaphore.acquire(False)
        if kind == "with":
            with semaphore:
                self.step(task, "with", ("sleep0",))
                if self.overtaken[which]:
                    self.note("known", "overtaken")
            return None
        if kind == "release":
            return semaphore.release()
        if lock:
            return None
        if kind == "wait":
            return semaphore.wait(self.seconds(timeout))
        if kind == "link":
            return semaphore.rawlink(lambda source: self.note("sem", which, "by", task))
        return [semaphore.counter, semaphore.locked()]

    def doubled(self, number: int) -> int:
        import gevent

        self.note("doubles", number)
        if number % 2:
            gevent.sleep(0)
        return 2 * number

    def do_pool(
        self, task: int, kind: str, which: int, other: int, timeout: float | None
    ) -> Any:
        pool = self.pools[which]
        if kind == "spawn":
            return self.spawn(other, pool.spawn)
        if kind == "join":
            return pool.join(self.seconds(timeout))
        if kind == "kill":
            if self.other(task) in pool:
                return "member"
            return pool.kill(block=other % 2 == 0)
        if kind == "killone":
            g = self.other(other)
            return None if g is None or other == task else pool.killone(g)
        if kind == "map":
            return pool.map(self.doubled, range(other))
        if kind == "imap":
            return [self.seen(task, x) for x in pool.imap(self.doubled, range(other))]
        if kind == "unordered":
            return [
                self.seen(task, x)
                for x in pool.imap_unordered(self.doubled, range(other))
            ]
        if kind == "available":
            return pool.wait_available(self.seconds(timeout)) if which < 2 else None
        if kind == "apply":
            return pool.apply(self.doubled, (other,))
        return len(pool)

    def seen(self, task: int, item: int) -> int:
        self.note(task, "gets", item)
        return item


def main(seed: int, count: int) -> None:
    sys.setswitchinterval(10)  # so long may all run that are due, before timers
    for each in range(seed, seed + count):
        program = Program(each)
        log = program.run()
        print(json.dumps([each, log]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
