"""Small numbers for objects, used again once their object is gone."""

import heapq
from typing import Any
from weakref import WeakKeyDictionary, ref

__all__ = ["IdentRegistry"]


class ValuedWeakRef(ref):
    """A weak reference that carries a value."""

    __slots__ = ("value",)

    value: int


class IdentRegistry:
    """Gives each object the smallest number that no living one has."""

    def __init__(self) -> None:
        self._registry: WeakKeyDictionary[Any, ValuedWeakRef] = WeakKeyDictionary()
        self._available: list[int] = []

    def get_ident(self, obj: Any) -> int:
        """The number of obj, given now if it has none."""
        known = self._registry.get(obj)
        if known is not None:
            return known.value
        if self._available:
            number = heapq.heappop(self._available)
        else:
            number = len(self._registry)
        reference = ValuedWeakRef(obj, self._return)
        reference.value = number
        self._registry[obj] = reference
        return number

    def _return(self, reference: Any) -> None:
        heapq.heappush(self._available, reference.value)

    def __len__(self) -> int:
        return len(self._registry)
