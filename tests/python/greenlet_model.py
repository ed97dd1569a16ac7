"""A plain model of greenlet's semantics, in Python: who runs, what arrives where,
who dies of what. Nothing of it switches.

A Node stands for a greenlet. It is counted as an object is: by the world (while
`named`), by its children, by those that are suspended in a switch to it, and as
the current one of its thread. Whatever an operation makes happen is appended to
`arrivals` as (node, kind, payload), in order, where a greenlet would see it:

    start    its run is called; payload: the arguments
    value    its switch() or throw() returns payload
    error    its switch() or throw() raises; payload: ("E", number), ("exit",)
             or ("refused",)

Nodes that GreenletExit reaches by the loss of the last reference die of it; what
else arrives is for whoever steps the model to act upon.
"""

NEW, SUSPENDED, CURRENT, DEAD, FREED = "new suspended current dead freed".split()


class Node:
    def __init__(self, name, parent, thread=None):
        self.name = name
        self.parent = parent
        self.thread = thread  # a main one's own; of others, see root()
        self.state = NEW
        self.holds = None  # whom it has switched to, while suspended
        self.count = 0

    def __repr__(self):
        return f"<{self.name} {self.state} {self.count}>"

    def root(self):
        node = self
        while node.parent:
            node = node.parent
        return node


class Thread:
    def __init__(self, name):
        self.main = Node(("main", name), None, self)
        self.main.state = CURRENT
        self.main.count = 2
        self.current = self.main
        self.doomed = []  # by other threads


def packed(args, kwargs):
    if not kwargs:
        return args[0] if len(args) == 1 else args
    return (args, kwargs) if args else kwargs


class Model:
    def __init__(self, threads):
        self.threads = [Thread(name) for name in threads]
        self.arrivals = []

    # ---- references --------------------------------------------------------

    def release(self, node, thread):
        """A reference to node is dropped, by code of thread."""
        node.count -= 1
        if node.count:
            return
        if node.state == SUSPENDED:
            owner = node.thread
            if owner is thread:
                self.kill(node, thread)
            else:
                node.count += 1
                owner.doomed.append(node)
                return
        self.free(node, thread)

    def free(self, node, thread):
        assert node.state in (NEW, DEAD), node.state
        node.state = FREED
        parent, node.parent = node.parent, None
        self.release(parent, thread)

    def kill(self, node, thread):
        """GreenletExit is thrown into node, whose parent is the current one for
        so long; it dies of it, and the current one goes on."""
        killer = thread.current
        node.count += 1
        killer.state, node.state = SUSPENDED, CURRENT
        thread.current = node
        held, node.holds = node.holds, None
        self.release(held, thread)
        self.arrivals.append((node, "error", ("exit",)))
        killer.state, node.state = CURRENT, DEAD
        thread.current = killer
        node.count -= 1

    def drain(self, thread):
        """thread touches greenlets: what others have doomed ends."""
        doomed, thread.doomed = thread.doomed, []
        for node in doomed:
            self.release(node, thread)

    # ---- switching ---------------------------------------------------------

    def go(self, thread, target, kind, payload):
        """From the current one, which stays as it was made, to target."""
        origin = thread.current
        if origin.state == CURRENT:
            origin.state = SUSPENDED
        held, target.holds = target.holds, None
        target.state = CURRENT
        target.count += 1
        thread.current = target
        self.release(origin, thread)
        if held:
            self.release(held, thread)
        self.arrivals.append((target, kind, payload))

    def living(self, node):
        while node.state == DEAD:
            node = node.parent
        return node

    def deliver(self, thread, target, args, kwargs):
        """args go to target, not dead, and of this thread."""
        if target is thread.current:
            self.arrivals.append((target, "value", packed(args, kwargs)))
        elif target.state == NEW:
            target.thread = thread
            self.go(thread, target, "start", (args, kwargs))
        else:
            self.go(thread, target, "value", packed(args, kwargs))

    def refused(self, thread):
        self.arrivals.append((thread.current, "error", ("refused",)))

    def call(self, thread, target, step):
        """A method of target is called by the current one, which is suspended
        in it unless it comes back at once."""
        here = thread.current
        target.count += 1
        here.holds = target
        living = self.living(target)
        if living.root().thread is thread:
            step(living)
        else:
            self.refused(thread)
        if thread.current is here and here.holds is target:
            here.holds = None
            arrival = self.arrivals.pop()
            self.release(target, thread)
            self.arrivals.append(arrival)

    def switch(self, thread, target, args, kwargs):
        self.call(thread, target, lambda to: self.deliver(thread, to, args, kwargs))

    def throw(self, thread, target, error):
        unstarted = target.state == NEW and target.root().thread is thread
        if unstarted:
            target.state = DEAD

        def step(to):
            self.raise_in(thread, to, error, target.state == DEAD)

        self.call(thread, target, step)

    def raise_in(self, thread, to, error, passed_on):
        if error == ("exit",) and passed_on:
            self.deliver(thread, to, (error,), {})
            return
        while to.state == NEW:
            to.state = DEAD
            to = self.living(to)
        if to is thread.current:
            self.arrivals.append((to, "error", error))
        else:
            self.go(thread, to, "error", error)

    def finish(self, thread, kind, payload):
        """The current one returns payload, or ends by an error."""
        node = thread.current
        node.state = DEAD
        parent = self.living(node.parent)
        if kind == "value":
            self.deliver(thread, parent, (payload,), {})
        else:
            self.raise_in(thread, parent, payload, False)

    # ---- the rest ----------------------------------------------------------

    def spawn(self, thread, name, parent):
        node = Node(name, parent)
        parent.count += 1
        node.count = 1
        return node

    def is_ancestor(self, node, of):
        while of:
            if of is node:
                return True
            of = of.parent
        return False

    def reparent(self, thread, node, parent):
        """Whether that is allowed."""
        if self.is_ancestor(node, parent):
            return False
        old, node.parent = node.parent, parent
        parent.count += 1
        self.release(old, thread)
        return True
