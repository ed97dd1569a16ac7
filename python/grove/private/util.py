"""`gevent._util`: small tools that some users of gevent borrow."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from grove.hubs.attributes import Lazy, LazyOnClass, readproperty
from grove.monitoring.run_info import gmctime

__all__ = [
    "Lazy",
    "LazyOnClass",
    "copy_globals",
    "gmctime",
    "import_c_accel",
    "readproperty",
]


def copy_globals(
    source: ModuleType,
    globs: dict[str, Any],
    only_names: Iterable[str] | None = None,
    ignore_missing_names: bool = False,
    names_to_ignore: Iterable[str] = (),
    dunder_names_to_keep: Iterable[str] = (),
    cleanup_globs: bool = True,
) -> list[str]:
    """Copy attributes of a module into globs; their names.

    Args:
        source: the module.
        globs: where they go.
        only_names: these; None is all.
        ignore_missing_names: whether a name of only_names may be missing.
        names_to_ignore: not these.
        dunder_names_to_keep: the names that begin with two underscores and are
            copied nevertheless.
        cleanup_globs: kept for compatibility.

    Raises AttributeError for a name that is missing.
    """
    if only_names is not None:
        items = [
            (name, getattr(source, name))
            for name in only_names
            if not ignore_missing_names or hasattr(source, name)
        ]
    else:
        items = list(vars(source).items())
    copied = []
    ignored, kept = set(names_to_ignore), set(dunder_names_to_keep)
    for name, value in items:
        if name in ignored or (name.startswith("__") and name not in kept):
            continue
        globs[name] = value
        copied.append(name)
    return copied


def import_c_accel(globs: dict[str, Any], cname: str) -> None:
    """Nothing: what is compiled here has no Python twin."""
