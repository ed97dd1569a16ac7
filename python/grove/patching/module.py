"""Replacing the names of one module by those of another."""

import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from grove import events
from grove.patching.originals import patch_item
from grove.patching.warning import warn

__all__ = ["patch_by_name", "patch_module"]


class _BadImplements(AttributeError):
    """A replacement module does not say what it implements."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(f"module {module.__name__} has no list __implements__")


def patch_module(
    target_module: ModuleType,
    source_module: ModuleType,
    items: Iterable[str] | None = None,
    _warnings: Any = None,
    _patch_kwargs: dict[str, Any] | None = None,
    _notify_will_subscribers: bool = True,
    _notify_did_subscribers: bool = True,
    _call_hooks: bool = True,
) -> bool:
    """Replace names of target_module by those of source_module.

    Args:
        target_module: what is changed.
        source_module: what has the replacements.
        items: the names; the source's `__implements__` by default.

    Returns whether it was done: not when a listener raised DoNotPatch.
    """
    if items is None:
        items = getattr(source_module, "__implements__", None)
        if items is None:
            raise _BadImplements(source_module)
    items = list(items)
    name = target_module.__name__
    try:
        if _call_hooks:
            _hook(source_module, target_module, "_gevent_will_monkey_patch", items)
        if _notify_will_subscribers:
            events.notify_and_call_entry_points(
                events.GeventWillPatchModuleEvent(
                    name, source_module, target_module, items
                )
            )
    except events.DoNotPatch:
        return False
    for item in items:
        patch_item(target_module, item, getattr(source_module, item))
    if _call_hooks:
        _hook(source_module, target_module, "_gevent_did_monkey_patch", None)
    if _notify_did_subscribers:
        events.notify_and_call_entry_points(
            events.GeventDidPatchModuleEvent(name, source_module, target_module)
        )
    return True


def _hook(
    source: ModuleType, target: ModuleType, name: str, items: list[str] | None
) -> None:
    """Call the source module's own hook of that name, if it has one."""
    hook = getattr(source, name, None)
    if hook is None:
        return
    if items is None:
        hook(target)
    else:
        hook(target, items, warn)


def patch_by_name(name: str, items: Iterable[str] | None = None) -> bool:
    """Patch standard module `name` by grove.name."""
    source = importlib.import_module(f"grove.{name}")
    target = importlib.import_module(getattr(source, "__target__", name))
    return patch_module(target, source, items)
