"""Events that the package tells of, and who listens.

Listeners are the functions in `subscribers`, which is zope.event's list where
that is installed, and then the entry points of the event's group.
"""

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

try:
    from zope.event import notify, subscribers
except ImportError:
    #: Functions called with each event.
    subscribers: list[Callable[[Any], None]] = []

    def notify(event: Any) -> None:
        """Call every subscriber with event."""
        for subscriber in subscribers:
            subscriber(event)


__all__ = [
    "DoNotPatch",
    "GeventDidPatchAllEvent",
    "GeventDidPatchBuiltinModulesEvent",
    "GeventDidPatchModuleEvent",
    "GeventPatchEvent",
    "GeventWillPatchAllEvent",
    "GeventWillPatchEvent",
    "GeventWillPatchModuleEvent",
    "notify",
    "notify_and_call_entry_points",
    "subscribers",
]


@lru_cache(maxsize=None)
def _entry_points(group: str) -> tuple:
    from importlib.metadata import entry_points

    # A gevent that is installed too has some of its own, for its own modules.
    return tuple(
        point.load()
        for point in entry_points(group=group)
        if not point.value.startswith("gevent.")
    )


def notify_and_call_entry_points(event: Any) -> None:
    """Tell the subscribers of event, then its group's entry points."""
    notify(event)
    for listener in _entry_points(event.ENTRY_POINT_NAME):
        listener(event)


class DoNotPatch(BaseException):
    """Raised by a listener of a GeventWillPatchEvent to prevent it."""


class GeventPatchEvent:
    """Something is patched: `source` has what replaces `target`'s names."""

    ENTRY_POINT_NAME = ""

    def __init__(self, source: Any, target: Any) -> None:
        self.source = source
        self.target = target

    def __repr__(self) -> str:
        return f"<{type(self).__name__} source={self.source} target={self.target}>"


class GeventWillPatchEvent(GeventPatchEvent):
    """Before it is patched."""


class GeventDidPatchEvent(GeventPatchEvent):
    """After it was patched."""


class GeventWillPatchModuleEvent(GeventWillPatchEvent):
    """Before the names `target_item_names` of a module are replaced."""

    ENTRY_POINT_NAME = "gevent.plugins.monkey.will_patch_module"

    def __init__(
        self, module_name: str, source: Any, target: ModuleType, items: list[str]
    ) -> None:
        super().__init__(source, target)
        self.module_name = module_name
        self.target_item_names = items


class GeventDidPatchModuleEvent(GeventDidPatchEvent):
    """After a module was patched."""

    ENTRY_POINT_NAME = "gevent.plugins.monkey.did_patch_module"

    def __init__(self, module_name: str, source: Any, target: ModuleType) -> None:
        super().__init__(source, target)
        self.module_name = module_name


class _PatchAll:
    """What the events of patch_all have in common."""

    def __init__(
        self, patch_all_arguments: dict[str, Any], patch_all_kwargs: dict[str, Any]
    ) -> None:
        import grove.monkey

        super().__init__(grove.monkey, None)
        #: What patch_all was told of its own parameters.
        self.patch_all_arguments = patch_all_arguments
        #: The keyword arguments that it does not know, for listeners.
        self.patch_all_kwargs = patch_all_kwargs

    def will_patch_module(self, module_name: str) -> bool:
        """Whether patch_all was asked to patch that module."""
        return bool(self.patch_all_arguments.get(module_name))


class GeventWillPatchAllEvent(_PatchAll, GeventWillPatchEvent):
    """Before patch_all patches anything."""

    ENTRY_POINT_NAME = "gevent.plugins.monkey.will_patch_all"


class GeventDidPatchBuiltinModulesEvent(_PatchAll, GeventDidPatchEvent):
    """After patch_all patched the standard modules."""

    ENTRY_POINT_NAME = "gevent.plugins.monkey.did_patch_builtins"


class GeventDidPatchAllEvent(_PatchAll, GeventDidPatchEvent):
    """After patch_all is done, its listeners' patches included."""

    ENTRY_POINT_NAME = "gevent.plugins.monkey.did_patch_all"
