"""The tree of greenlets: who has spawned whom."""

import gc
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

from grove._core import all_local_dicts_for_greenlet, getcurrent, greenlet

__all__ = ["GreenletTree", "format_stack"]

#: Frames of a stack that are told of.
_STACK_LIMIT = 20

#: Characters of what a greenlet has returned that are told of.
_VALUE_LIMIT = 30


def format_stack(frame: FrameType, limit: int | None) -> str:
    """frame and those that called it, limit of them at most; None: 20."""
    # format_stack's limit counts from the outermost frame that is kept.
    return "".join(traceback.format_stack(frame, limit or _STACK_LIMIT))


def _pretty(values: dict) -> list[str]:
    # What pprint imports takes longer to import than this package.
    from pprint import pformat

    return [f"    {line}" for line in pformat(values).splitlines()]


class GreenletTree:
    """A greenlet and those that it has spawned, and so on, finished or not.

    One whose spawner is not known stands below its thread's main greenlet, or
    the first of its parents that has a true attribute greenlet_tree_is_root.
    One that has a true greenlet_tree_is_ignored is left out.

    Args:
        greenlet: the one it begins with.

    >>> import grove
    >>> from grove.util import GreenletTree
    >>> task = grove.spawn(int)
    >>> children = GreenletTree.current_tree().child_trees
    >>> any(tree.greenlet is task for tree in children)
    True
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
        """tree's root was spawned by this one's.

        >>> import grove
        >>> from grove.util import GreenletTree
        >>> tree = GreenletTree(grove.Greenlet())
        >>> tree.add_child(GreenletTree(grove.Greenlet()))
        >>> len(tree.child_trees)
        1
        """
        if tree is not self:
            self.child_trees.append(tree)

    @property
    def root(self) -> bool:
        """Whether it begins with a thread's main greenlet."""
        return self.greenlet.parent is None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.greenlet, name)

    # ---- as text

    def format_lines(self, details: bool | dict[str, Any] = True) -> Iterator[str]:
        """Lines that show it.

        Args:
            details: False: none; True: DEFAULT_DETAILS; a dict: these, and
                the rest from DEFAULT_DETAILS.

        >>> import grove
        >>> from grove.util import GreenletTree
        >>> for line in GreenletTree(grove.Greenlet(int)).format_lines(details=False):
        ...     print(line)
        <Greenlet at ...: int>; not running
        """
        if not details:
            chosen: dict[str, Any] = {}
        else:
            chosen = dict(self.DEFAULT_DETAILS)
            if details is not True:
                chosen.update(details)
        return iter(self._lines(chosen, "", True, True))

    def format(self, details: bool | dict[str, Any] = True) -> str:
        """format_lines() in one string.

        >>> import grove
        >>> from grove.util import GreenletTree
        >>> print(GreenletTree(grove.Greenlet(int)).format(details=False))
        <Greenlet at ...: int>; not running
        """
        return "\n".join(self.format_lines(details))

    def __str__(self) -> str:
        return self.format(False)

    def _lines(
        self, details: dict[str, Any], indent: str, last: bool, top: bool = False
    ) -> list[str]:
        if top:
            lines, below = [self._label()], indent
        else:
            lines, below = [f"{indent}+--- {self._label()}"], indent
            below += "     " if last else "|    "
        if details:
            lines += [f"{below} :    {text}" for text in self._about(details)]
        trees = sorted(self.child_trees, key=_rank)
        for i, tree in enumerate(trees):
            lines += tree._lines(details, below + " ", i == len(trees) - 1)
        return lines

    def _label(self) -> str:
        g = self.greenlet
        if g:
            return repr(g)
        if not (hasattr(g, "ready") and g.ready()):
            return f"{g!r}; not running"
        if g.value is not None:
            return f"{g!r}; finished with value {repr(g.value)[:_VALUE_LIMIT]}"
        if g.exception is not None:
            return f"{g!r}; finished with exception {g.exception!r}"
        return f"{g!r}; finished"

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
            lines += _pretty(values)
        tree_locals = getattr(self.greenlet, "spawn_tree_locals", None)
        # They are shared by all: told of at the root.
        if tree_locals and self._is_root_of_locals():
            lines.append("  Spawn Tree Locals")
            lines += _pretty(tree_locals)
        return ["Greenlet Locals:", *lines] if lines else []

    def _is_root_of_locals(self) -> bool:
        parent = _spawner(self.greenlet)
        return getattr(parent, "spawn_tree_locals", None) is not getattr(
            self.greenlet, "spawn_tree_locals", None
        )

    # ---- finding them

    @classmethod
    def forest(cls) -> list["GreenletTree"]:
        """A tree for each thread, and each greenlet that is a root.

        >>> from grove.util import GreenletTree
        >>> len(GreenletTree.forest()) >= 1
        True
        """
        current = _root(getcurrent())
        trees = {g: cls(g) for g in [current, *_reachable()]}
        trees[current].is_current_tree = True
        roots = []
        for g, tree in trees.items():
            above = _above(g)
            if above is g:
                roots.append(tree)
            elif above in trees:
                trees[above].add_child(tree)
        return roots

    @classmethod
    def current_tree(cls) -> "GreenletTree":
        """The tree of the calling thread.

        >>> import grove
        >>> from grove.util import GreenletTree
        >>> GreenletTree.current_tree().greenlet is grove.getcurrent()
        True
        """
        return next(tree for tree in cls.forest() if tree.is_current_tree)


def _reachable() -> list[Any]:
    return [
        g
        for g in gc.get_objects()
        if isinstance(g, greenlet) and not getattr(g, "greenlet_tree_is_ignored", False)
    ]


def _above(g: Any) -> Any:
    spawner = _spawner(g)
    return _root(g) if spawner is None else spawner


def _spawner(g: Any) -> Any:
    reference = getattr(g, "spawning_greenlet", None)
    return None if reference is None else reference()


def _root(g: Any) -> Any:
    while g.parent is not None and not getattr(g, "greenlet_tree_is_root", False):
        g = g.parent
    return g


def _rank(tree: GreenletTree) -> tuple[int, bool]:
    """Raw greenlets first, then by number."""
    g = tree.greenlet
    return getattr(g, "minimal_ident", -1), hasattr(g, "ready") and g.ready()
