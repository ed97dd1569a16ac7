"""The names of a standard module that ours has as they are."""

from collections.abc import Collection
from types import ModuleType
from typing import Any


def mirror(
    module: ModuleType, namespace: dict[str, Any], ours: Collection[str]
) -> list[str]:
    """Put what module has into namespace, but for the names that are ours.

    Returns the names that were put there.

    >>> import math
    >>> from grove.builtins import mirror
    >>> names = {}
    >>> put = mirror(math, names, ours=["pi"])
    >>> "tau" in names, "pi" in names
    (True, False)
    """
    names = [n for n in dir(module) if not n.startswith("__") and n not in ours]
    namespace.update({name: getattr(module, name) for name in names})
    return names
