"""Seeing what a program does: its threads, its greenlets and who made them."""

import functools
import gc
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pprint import pformat
from time import perf_counter as _now
from types import FrameType, TracebackType
from typing import Any, TextIO

from grove import _core
from grove._core import getcurrent, greenlet
from grove._tracer import GreenletTracer, HubSwitchTracer, MaxSwitchTracer

__all__ = [
    "GreenletTree",
    "assert_switches",
    "clear_stack_frames",
    "format_run_info",
    "print_run_info",
    "wrap_errors",
]

#: Frames of a stack that are told of.
_STACK_LIMIT = 20


class wrap_errors:
    """A function that returns the exceptions of func instead of raising them.

    Args:
        errors: a class of exceptions or a tuple of them.
        func: what is called; its other attributes are this object's.
    """

    def __init__(self, errors: Any, func: Callable[..., Any]) -> None:
        self.__errors = errors
        self.__func = func
        # What func has, this seems to have.
        functools.update_wrapper(self, func, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.__func(*args, **kwargs)
        except self.__errors as error:
            return error

    def __str__(self) -> str:
        return str(self.__func)

    def __repr__(self) -> str:
        return repr(self.__func)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func, name)


def is_idle_threadpool_worker(frame: FrameType) -> bool:
    """Whether frame is that of a native thread that waits for work."""
    return bool(frame.f_locals.get("gevent_threadpool_worker_idle"))


def clear_stack_frames(frame: FrameType | None) -> None:
    """Forget the local variables of frame and of those that called it.

    Frames that still run are left alone.
    """
    while frame is not None:
        try:
            frame.clear()
        except RuntimeError:
            pass
        frame = frame.f_back


# ---- run information --------------------------------------------------------


def format_run_info(
    thread_stacks: bool = True,
    greenlet_stacks: bool = True,
    limit: int | None = None,
    current_thread_ident: int | None = None,
) -> list[str]:
    """Lines about what the program does.

    Args:
        thread_stacks: whether the stacks of native threads are told of.
        greenlet_stacks: whether those of greenlets are.
        limit: how many frames of a stack at most; None: 20.
        current_thread_ident: which thread is marked as the current one; None:
            the calling one.
    """
    lines: list[str] = []
    _format_threads(lines, thread_stacks, limit, current_thread_ident)
    _format_greenlets(lines, greenlet_stacks, limit)
    return lines


def _headline(lines: list[str], text: str) -> None:
    lines.extend(("*" * 80, f"* {text}", "*" * 80))


def _format_threads(
    lines: list[str], stacks: bool, limit: int | None, current: int | None
) -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    if current is None:
        current = threading.get_ident()
    _headline(lines, "Threads")
    for ident, frame in sys._current_frames().items():
        mark = " (CURRENT)" if ident == current else ""
        lines.append(f"Thread {ident:#x} ({names.get(ident)}){mark}\n")
        if stacks:
            lines.append(_format_stack(frame, limit))
    lines.append("")


def _format_greenlets(lines: list[str], stacks: bool, limit: int | None) -> None:
    _headline(lines, "Greenlets")
    for tree in sorted(GreenletTree.forest(), key=lambda t: not t.is_current_tree):
        lines.append("---- Thread boundary")
        lines.extend(
            tree.format_lines(
                details={
                    # Those of the current thread's current greenlet are there.
                    "running_stacks": stacks,
                    "running_stack_limit": limit,
                }
            )
        )


def _format_stack(frame: FrameType, limit: int | None) -> str:
    # format_stack's limit counts from the outermost frame that is kept.
    return "".join(traceback.format_stack(frame, limit or _STACK_LIMIT))


def print_run_info(
    thread_stacks: bool = True,
    greenlet_stacks: bool = True,
    limit: int | None = None,
    file: TextIO | None = None,
) -> None:
    """Print what format_run_info() tells to file; None is standard error."""
    lines = format_run_info(thread_stacks, greenlet_stacks, limit)
    print("\n".join(lines), file=file or sys.stderr)


# ---- the tree of greenlets --------------------------------------------------


class GreenletTree:
    """A greenlet and those that it has spawned, and so on.

    Args:
        greenlet: the one at its root.
    """

    #: What format() tells of each, unless told otherwise.
    DEFAULT_DETAILS = {
        "running_stacks": True,
        "running_stack_limit": None,
        "spawning_stacks": True,
        "locals": True,
    }

    def __init__(self, greenlet: Any) -> None:
        self.greenlet = greenlet
        #: Whether it is that of the greenlet that asked for it.
        self.is_current_tree = False
        self.child_trees: list["GreenletTree"] = []

    def add_child(self, tree: "GreenletTree") -> None:
        """tree's root was spawned by this one's."""
        if tree is not self:
            self.child_trees.append(tree)

    @property
    def root(self) -> Any:
        """The greenlet at its root."""
        return self.greenlet

    def __getattr__(self, name: str) -> Any:
        return getattr(self.greenlet, name)

    # ---- as text

    def format_lines(self, details: bool | dict[str, Any] = True) -> Iterator[str]:
        """Lines that show it.

        Args:
            details: False: none; True: DEFAULT_DETAILS; a dict: these, and
                the rest from DEFAULT_DETAILS.
        """
        if not details:
            chosen: dict[str, Any] = {}
        else:
            chosen = dict(self.DEFAULT_DETAILS)
            if details is not True:
                chosen.update(details)
        return iter(self._lines(chosen, "", True, True))

    def format(self, details: bool | dict[str, Any] = True) -> str:
        """format_lines() in one string."""
        return "\n".join(self.format_lines(details))

    def __str__(self) -> str:
        return self.format(False)

    def _lines(
        self, details: dict[str, Any], indent: str, last: bool, top: bool = False
    ) -> list[str]:
        if top:
            lines, below = [repr(self.greenlet)], indent
        else:
            lines, below = [f"{indent}+--- {self.greenlet!r}"], indent
            below += "     " if last else "|    "
        if details:
            lines += [f"{below} :    {text}" for text in self._about(details)]
        trees = self.child_trees
        for i, tree in enumerate(trees):
            lines += tree._lines(details, below + " ", i == len(trees) - 1)
        return lines

    def _about(self, details: dict[str, Any]) -> list[str]:
        g = self.greenlet
        lines = [f"Parent: {g.parent!r}"]
        if g.gr_frame is not None and details.get("running_stacks"):
            lines += self._stack(
                "Running:", g.gr_frame, details.get("running_stack_limit")
            )
        spawned_at = getattr(g, "spawning_stack", None)
        if spawned_at is not None and details.get("spawning_stacks"):
            lines += self._stack("Spawned at:", spawned_at, None)
        if details.get("locals"):
            lines += self._locals()
        return lines

    @staticmethod
    def _stack(title: str, frame: Any, limit: int | None) -> list[str]:
        return [title] + [
            f"  {line}" for line in _format_stack(frame, limit).splitlines()
        ]

    def _locals(self) -> list[str]:
        from grove.local import all_local_dicts_for_greenlet

        lines = []
        for (kind, ident), values in all_local_dicts_for_greenlet(self.greenlet):
            if not values:
                continue
            lines.append(f"  Local {kind} at {ident:#x}")
            lines += [f"    {line}" for line in pformat(values).splitlines()]
        tree_locals = getattr(self.greenlet, "spawn_tree_locals", None)
        # They are shared by all: told of at the root.
        if tree_locals and self._is_root_of_locals():
            lines.append("  Spawn Tree Locals")
            lines += [f"    {line}" for line in pformat(tree_locals).splitlines()]
        return ["Greenlet Locals:", *lines] if lines else []

    def _is_root_of_locals(self) -> bool:
        parent = _spawner(self.greenlet)
        return getattr(parent, "spawn_tree_locals", None) is not getattr(
            self.greenlet, "spawn_tree_locals", None
        )

    # ---- finding them

    @classmethod
    def forest(cls) -> list["GreenletTree"]:
        """A tree for every greenlet that nobody living has spawned."""
        trees = {g: cls(g) for g in _living()}
        roots = []
        current_root = _root(getcurrent())
        for g, tree in trees.items():
            spawner = _spawner(g)
            parent = trees.get(spawner) if spawner is not None else None
            if parent is None:
                roots.append(tree)
                tree.is_current_tree = g is current_root
            else:
                parent.add_child(tree)
        return roots

    @classmethod
    def current_tree(cls) -> "GreenletTree":
        """The tree that the current greenlet belongs to."""
        return next(tree for tree in cls.forest() if tree.is_current_tree)


def _living() -> list[Any]:
    return [g for g in gc.get_objects() if isinstance(g, greenlet) and _counts(g)]


def _counts(g: Any) -> bool:
    # Unstarted ones of no Greenlet class are nobody's business yet.
    return not g.dead and (bool(g) or hasattr(g, "spawning_greenlet"))


def _spawner(g: Any) -> Any:
    """Who spawned g; of a hub and of a raw greenlet: its thread's main one."""
    reference = getattr(g, "spawning_greenlet", None)
    spawner = reference() if reference is not None else None
    if spawner is not None and not spawner.dead:
        return spawner
    parent = g.parent
    while parent is not None and parent.parent is not None:
        parent = parent.parent
    return parent


def _root(g: Any) -> Any:
    while True:
        spawner = _spawner(g)
        if spawner is None:
            return g
        g = spawner


# ---- asserting switches -----------------------------------------------------


class _FailedToSwitch(AssertionError):
    """No greenlet switched when one should have."""


class assert_switches:
    """A context manager, or a decorator: what runs in it must let others run.

    Args:
        max_blocking_time: seconds that it may run at a stretch; None: it must
            switch at least once.
        hub_only: whether only waiting counts, and not a direct switch to another
            greenlet.

    Raises AssertionError, at the end, that tells what ran.
    """

    hub: Any = None
    tracer: Any = None

    def __init__(
        self, max_blocking_time: float | None = None, hub_only: bool = False
    ) -> None:
        self.max_blocking_time = max_blocking_time
        self.hub_only = hub_only

    def __enter__(self) -> "assert_switches":
        self.hub = hub = _core.get_hub()
        if not self.max_blocking_time:
            self.tracer = GreenletTracer(hub)
            self._before = self._count()
        elif self.hub_only:
            self.tracer = HubSwitchTracer(hub, self.max_blocking_time)
        else:
            self.tracer = MaxSwitchTracer(hub, self.max_blocking_time)
        self._entered = _now()
        return self

    def _count(self) -> int:
        figures = _core.switch_figures(self.hub)
        return figures[1 if self.hub_only else 0] if figures else 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        tracer, hub = self.tracer, self.hub
        try:
            if kind is not None:
                return
            if self.max_blocking_time:
                failed, active = tracer.did_block_hub(hub)
            else:
                failed, active = self._count() == self._before, getcurrent()
            if not failed:
                return
            lines = tracer.did_block_hub_report(hub, active, {})
        finally:
            tracer.kill()
            self.hub = self.tracer = None
        where = "To the hub" if self.hub_only else "To any greenlet"
        message = f"{where} in {_now() - self._entered:.4f} seconds"
        if self.max_blocking_time:
            message += f" (max allowed {self.max_blocking_time:.4f} seconds)"
        raise _FailedToSwitch("\n".join([message, *lines]))

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.max_blocking_time, self.hub_only):
                return func(*args, **kwargs)

        return wrapper
