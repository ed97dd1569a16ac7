"""The raw greenlet against greenlet_model.py: a random program of switches,
throws, deaths, births and collections, over 1,000 greenlets and three threads,
compared step by step.

GROVE_TEST_SEED repeats a program; the seed is printed.
"""

import gc
import os
import random
import threading
import weakref

import pytest
from greenlet_model import CURRENT, DEAD, FREED, NEW, SUSPENDED, Model
from grove._greenlet import GreenletExit, error, getcurrent, greenlet

THREADS = 3
GREENLETS = 1_000
STEPS = 30_000
TURN = 50  # steps of a thread before it is the next one's turn


class Thrown(Exception):
    pass


def plain(payload):
    """payload with GreenletExit instances as the model has them."""
    if isinstance(payload, GreenletExit):
        return ("exit",)
    if type(payload) is tuple:
        return tuple(map(plain, payload))
    return payload


class World:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.model = Model(range(THREADS))
        self.named = {}  # node: greenlet; the world's references
        self.mains = [None] * THREADS
        self.weak = []
        self.steps = 0
        self.made = 0
        self.counts = {}
        self.expected = []  # arrivals the model has foretold
        self.failure = None
        self.turns = [threading.Semaphore(0) for _ in range(THREADS)]

    # ---- what the greenlets run --------------------------------------------

    def run_of(self, node):
        def run(*args, **kwargs):
            self.arrived(node, "start", (args, kwargs))
            while not self.failure:
                step = self.choose(node.thread)
                if step[0] == "return":
                    return step[1]
                if step[0] == "raise":
                    raise Thrown(step[1])
                try:
                    self.do(node, step)
                except GreenletExit as e:
                    self.arrived(node, "error", ("exit",))
                    if node.state in (DEAD, FREED) or self.failure:
                        raise  # by the loss of the last reference
                    e = None
            self.mains[self.model.threads.index(node.thread)].switch()

        return run

    def do(self, node, step):
        try:
            value = self.act(*step)
        except Thrown as e:
            self.arrived(node, "error", ("E", e.args[0]))
        except error:
            self.arrived(node, "error", ("refused",))
        else:
            if step[0] in ("switch", "throw"):
                self.arrived(node, "value", value)

    def act(self, kind, *rest):
        if kind == "switch":
            node, args, kwargs = rest
            return self.named[node].switch(*args, **kwargs)
        if kind == "throw":
            return self.named[rest[0]].throw(self.exception(rest[1]))
        if kind == "spawn":
            node, parent = rest
            if parent.name[0] == "main":
                g = greenlet(self.run_of(node), self.mains[parent.name[1]])
            else:
                g = greenlet(self.run_of(node), self.named[parent])
            self.named[node] = g
            self.weak.append(weakref.ref(g))
        elif kind == "drop":
            del self.named[rest[0]]
        elif kind == "reparent":
            node, parent, allowed = rest
            try:
                self.named[node].parent = self.named[parent]
            except ValueError:
                self.check(not allowed, "a reparenting was refused")
            else:
                self.check(allowed, "a reparenting was allowed")
        elif kind == "collect":
            gc.collect(rest[0])
        elif kind == "look":
            self.look()

    @staticmethod
    def exception(spec):
        return GreenletExit() if spec == ("exit",) else Thrown(spec[1])

    # ---- comparison --------------------------------------------------------

    def check(self, truth, what):
        if not truth and not self.failure:
            self.failure = f"step {self.steps}: {what}"

    def arrived(self, node, kind, payload):
        payload = plain(payload)
        foretold = self.expected.pop(0) if self.expected else None
        if foretold is None:
            self.check(False, f"{node.name} {kind} {payload}, nothing was foretold")
        else:
            who, what, got = foretold
            same = who is node and what == kind and got == payload
            self.check(
                same,
                f"{node.name} {kind} {payload}; {who.name} {what} {got} foretold",
            )

    def look(self):
        """Everything that can be seen from outside."""
        for node, g in self.named.items():
            dead = node.state in (DEAD, FREED)
            active = node.state in (SUSPENDED, CURRENT)
            self.check(g.dead == dead, f"{node.name} dead: {g.dead}")
            self.check(bool(g) == active, f"{node.name} true: {bool(g)}")
            self.check(
                (g.gr_frame is not None) == (node.state == SUSPENDED),
                f"{node.name} frame: {g.gr_frame}",
            )

    # ---- the next step -----------------------------------------------------

    def choose(self, thread):
        """A step for the current greenlet of thread. The model takes it first."""
        while True:
            step = self.next_step(thread)
            if step:
                return step

    def next_step(self, thread):
        index = self.model.threads.index(thread)
        self.check(not self.expected, f"did not happen: {self.expected[:1]}")
        self.steps += 1
        if self.steps % TURN == 0:
            self.turns[(index + 1) % THREADS].release()
            self.turns[index].acquire()
            self.model.drain(thread)
            self.take()
            getcurrent()  # where doomed ones end
            self.check(not self.expected, "doomed ones did not end")
        if self.steps >= STEPS or self.failure:
            return self.stop(thread)
        return self.random_step(thread)

    def stop(self, thread):
        """Back to main, wherever that is, which ends."""
        self.failure = self.failure or "done"
        return ("look",)

    def take(self):
        self.expected += self.model.arrivals
        self.model.arrivals = []

    def random_step(self, thread):
        rnd = self.random
        kind = rnd.choices(
            ["switch", "throw", "spawn", "drop", "reparent", "collect", "look"]
            + ["return", "raise"],
            [40, 5, 20, 6, 4, 0.1, 0.1, 3, 1.5],
        )[0]
        if kind == "spawn" and len(self.named) >= GREENLETS:
            kind = "drop"
        step = getattr(self, "step_" + kind)(thread, thread.current)
        if step:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.take()
        return step

    def any_named(self):
        if not self.named:
            return None
        return self.random.choice(list(self.named))

    def step_switch(self, thread, here):
        node = self.any_named()
        if not node:
            return None
        n = self.random.randrange(100)
        args = self.random.choice([(), (n,), ((n,),), (n, n + 1)])
        kwargs = self.random.choice([{}, {}, {"a": n}])
        self.model.switch(thread, node, args, kwargs)
        return "switch", node, args, kwargs

    def step_throw(self, thread, here):
        node = self.any_named()
        if not node:
            return None
        spec = self.random.choice([("E", self.random.randrange(100)), ("exit",)])
        self.model.throw(thread, node, spec)
        return "throw", node, spec

    def step_spawn(self, thread, here):
        """A child of the current one, or of any of its thread."""
        self.made += 1
        parent = thread.main
        other = self.any_named()
        if other and other.root() is thread.main and self.random.random() < 0.7:
            parent = other
        node = self.model.spawn(thread, ("g", self.made), parent)
        self.named[node] = None
        return "spawn", node, parent

    def step_drop(self, thread, here):
        node = self.any_named()
        if not node:
            return None
        self.model.release(node, thread)
        return "drop", node

    def step_reparent(self, thread, here):
        node, parent = self.any_named(), self.any_named()
        if not node:
            return None
        if node.root() is not parent.root() and not (
            node.state == NEW and node.count == 1
        ):
            return None  # children would follow it to another thread
        allowed = self.model.reparent(thread, node, parent)
        return "reparent", node, parent, allowed

    def step_collect(self, thread, here):
        return "collect", self.random.choice([0, 1, 2])

    def step_look(self, thread, here):
        return ("look",)

    def step_return(self, thread, here):
        if here is thread.main:
            return None
        value = self.random.choice([None, (), (1,), self.random.randrange(100)])
        self.model.finish(thread, "value", value)
        return "return", value

    def step_raise(self, thread, here):
        if here is thread.main:
            return None
        n = self.random.randrange(100)
        self.model.finish(thread, "error", ("E", n))
        return "raise", n

    # ---- threads -----------------------------------------------------------

    def thread(self, index):
        self.turns[index].acquire()
        thread = self.model.threads[index]
        self.mains[index] = getcurrent()
        try:
            while not self.failure:
                step = self.choose(thread)
                try:
                    self.do(thread.main, step)
                except GreenletExit:
                    self.arrived(thread.main, "error", ("exit",))
        except BaseException as e:
            self.failure = self.failure or repr(e)
        self.mains[index] = None
        self.turns[(index + 1) % THREADS].release()


def test_a_random_program():
    seed = int(os.environ.get("GROVE_TEST_SEED") or random.randrange(1 << 32))
    print("seed", seed)
    world = World(seed)
    threads = [
        threading.Thread(target=world.thread, args=(index,))
        for index in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    world.turns[0].release()
    for thread in threads:
        thread.join(60)
        if thread.is_alive():
            pytest.fail(f"seed {seed}: stuck at step {world.steps}: {world.failure}")
    assert world.failure == "done", f"seed {seed}: {world.failure}"
    assert min(world.counts.values()) > 0 and len(world.counts) == 9
    # The threads' ends have ended what was left, and nothing leaks.
    world.named.clear()
    gc.collect()
    alive = [ref() for ref in world.weak if ref()]
    assert alive == []
