"""Classes and functions of a room, shown as those of a module that users import."""

from collections.abc import Iterable
from typing import Any


def publish(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Have what namespace, a module's, has by these names say it is its own.

    repr and pickle then name the module that programs know, and what they wrote
    down can be read again whichever file it moves to.
    """
    for name in names:
        namespace[name].__module__ = namespace["__name__"]
