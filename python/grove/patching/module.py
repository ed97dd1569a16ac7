"""Replacing the names of one module by those of another."""

import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from grove import events
from grove.patching.originals import get_original, patch_item, remove_item
from grove.patching.warning import warn

__all__ = ["patch_by_name", "patch_module"]


class _BadImplements(AttributeError):
    """A replacement module does not say what it implements."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(f"module {module.__name__} has no list __implements__")


class _Request:
    """What a source module's _gevent_do_monkey_patch(request) is given, if it has
    one: then that does the patching."""

    get_original = staticmethod(get_original)
    patch_item = staticmethod(patch_item)

    def __init__(
        self,
        target_module: ModuleType,
        source_module: ModuleType,
        items: list[str],
        patch_kwargs: dict[str, Any],
    ) -> None:
        self.target_module = target_module
        self.source_module = source_module
        self.items = items
        self.patch_kwargs = patch_kwargs

    def default_patch_items(self) -> None:
        """Replace the names, as is done without a function of the module's own."""
        for item in self.items:
            patch_item(self.target_module, item, getattr(self.source_module, item))

    def remove_item(self, target_module: ModuleType | str, *items: str) -> None:
        """Delete names of a module, by default of the one that is patched."""
        if isinstance(target_module, str):
            target_module, items = self.target_module, (target_module, *items)  # type: ignore[arg-type]
        for item in items:
            remove_item(target_module, item)


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

    >>> import select
    >>> import grove.select
    >>> from grove import monkey
    >>> monkey.patch_module(select, grove.select, items=["select"])
    True
    >>> select.select is grove.select.select
    True
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
    request = _Request(target_module, source_module, items, _patch_kwargs or {})
    getattr(source_module, "_gevent_do_monkey_patch", _Request.default_patch_items)(
        request
    )
    if _call_hooks:
        _hook(source_module, target_module, "_gevent_did_monkey_patch", items)
    if _notify_did_subscribers:
        events.notify_and_call_entry_points(
            events.GeventDidPatchModuleEvent(name, source_module, target_module)
        )
    return True


def _hook(
    source: ModuleType, target: ModuleType, name: str, items: list[str]
) -> None:
    """Call the source module's own hook of that name, if it has one."""
    hook = getattr(source, name, None)
    if hook is not None:
        hook(target, items, warn)


def patch_by_name(
    name: str, items: Iterable[str] | None = None, told: bool = True
) -> bool:
    """Patch standard module `name` by grove.name.

    Args:
        items: the names; None: all that grove.name implements.
        told: whether listeners learn at once that it was done.
    """
    source = importlib.import_module(f"grove.{name}")
    target = importlib.import_module(getattr(source, "__target__", name))
    return patch_module(target, source, items, _notify_did_subscribers=told)
