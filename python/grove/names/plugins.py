"""Plugins: what installed distributions have listen to gevent's events, by entry
points of groups that begin with `gevent.plugins.`.

importlib.metadata knows all ways in which distributions are found, and its import
takes as long as that of this package. Hardly any program has a plugin. So the
entry points in plain directories are looked through first, and it is asked only
where one is there, or something else than directories is on the path.
"""

import os
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.machinery import PathFinder
from typing import Any

_GROUPS = "gevent.plugins."


@lru_cache(maxsize=None)
def plugins(group: str) -> tuple[Callable[[Any], object], ...]:
    """The functions that the entry points of group name.

    Raises what importing one of them does.
    """
    if group.startswith(_GROUPS) and not _are_any(tuple(sys.path)):
        return ()
    from importlib.metadata import entry_points

    return tuple(
        point.load()
        for point in entry_points(group=group)
        if not _is_of_gevent(point.value)
    )


def _is_of_gevent(value: str) -> bool:
    """Whether it is one that gevent, if it is installed too, has for itself."""
    return value.startswith("gevent.")


@lru_cache(maxsize=None)
def _are_any(path: tuple[str, ...]) -> bool:
    """Whether a distribution on path has an entry point for us, or may have."""
    for finder in sys.meta_path:
        if finder is not PathFinder and hasattr(finder, "find_distributions"):
            return True
    for folder in path:
        if os.path.isdir(folder or "."):
            if any(map(_names_plugin, _entry_points(folder or "."))):
                return True
        elif os.path.exists(folder):
            return True  # an archive
    return False


def _entry_points(folder: str) -> Iterator[str]:
    """The texts of the entry points of the distributions in folder."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if name.lower().endswith((".dist-info", "egg-info")):
            try:
                with open(
                    os.path.join(folder, name, "entry_points.txt"),
                    encoding="utf-8",
                    errors="replace",
                ) as file:
                    yield file.read()
            except OSError:
                continue  # it has none


def _names_plugin(text: str) -> bool:
    """Whether text, of the form that entry points have, names one for us."""
    ours = False
    for line in text.splitlines() if _GROUPS in text else ():
        line = line.strip()
        if line.startswith("["):
            ours = line[1:].strip().startswith(_GROUPS)
        elif ours and "=" in line and not line.startswith(("#", ";")):
            if not _is_of_gevent(line.partition("=")[2].strip()):
                return True
    return False
