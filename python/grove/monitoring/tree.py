"""The tree of greenlets: who has spawned whom."""

import gc
import traceback
from collections.abc import Iterator
from pprint import pformat
from types import FrameType
from typing import Any

from grove._core import all_local_dicts_for_greenlet, getcurrent, greenlet

__all__ = ["GreenletTree", "format_stack"]

#: Frames of a stack that are told of.
_STACK_LIMIT = 20


def format_stack(frame: FrameType, limit: int | None) -> str:
    """frame and those that called it, limit of them at most; None: 20."""
    # format_stack's limit counts from the outermost frame that is kept.
    return "".join(traceback.format_stack(frame, limit or _STACK_LIMIT))


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
            f"  {line}" for line in format_stack(frame, limit).splitlines()
        ]

    def _locals(self) -> list[str]:
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
