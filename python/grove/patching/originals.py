"""What was replaced: replacing a name, and asking for the original."""

import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any

#: What was replaced: {module name: {name: the original}}.
saved: dict[str, dict[str, Any]] = {}

_MISSING = object()


def is_module_patched(mod_name: str) -> bool:
    """Whether anything of the module of that name was replaced.

    >>> from grove import monkey
    >>> monkey.patch_time()
    True
    >>> monkey.is_module_patched("time"), monkey.is_module_patched("socket")
    (True, False)
    """
    return mod_name in saved


def is_object_patched(mod_name: str, item_name: str) -> bool:
    """Whether that name of that module was replaced.

    >>> from grove import monkey
    >>> monkey.patch_time()
    True
    >>> monkey.is_object_patched("time", "sleep")
    True
    """
    return item_name in saved.get(mod_name, {})


def is_anything_patched() -> bool:
    """Whether anything was replaced at all.

    >>> from grove import monkey
    >>> monkey.is_anything_patched()
    False
    """
    return bool(saved)


def _original(name: str, items: Iterable[str]) -> list[Any]:
    kept = saved.get(name, {})
    missing = [item for item in items if item not in kept]
    module = importlib.import_module(name) if missing else None
    return [kept[i] if i in kept else getattr(module, i) for i in items]


def get_original(mod_name: str | Iterable[str], item_name: str | Iterable[str]) -> Any:
    """The object that mod_name.item_name was before it was patched.

    Args:
        mod_name: a module, or several to be tried in turn.
        item_name: a name in it, or several.

    Returns the object; a list when several names were asked for. Raises
    ImportError or AttributeError when there is none.

    >>> import time
    >>> from grove import monkey
    >>> native = time.sleep
    >>> monkey.patch_time()
    True
    >>> monkey.get_original("time", "sleep") is native
    True
    """
    names = [mod_name] if isinstance(mod_name, str) else list(mod_name)
    items = [item_name] if isinstance(item_name, str) else list(item_name)
    for name in names[:-1]:
        try:
            found = _original(name, items)
            break
        except ImportError:
            continue
    else:
        found = _original(names[-1], items)
    return found[0] if isinstance(item_name, str) else found


def patch_item(module: ModuleType, attr: str, newitem: Any) -> None:
    """Make module.attr newitem, keeping the first original in `saved`, even if
    that is what it stays.

    >>> import time
    >>> from grove import monkey, sleep
    >>> monkey.patch_item(time, "sleep", sleep)
    >>> time.sleep is sleep
    True
    """
    old = getattr(module, attr, _MISSING)
    if old is not _MISSING:
        saved.setdefault(module.__name__, {}).setdefault(attr, old)
    setattr(module, attr, newitem)


def remove_item(module: ModuleType, attr: str) -> None:
    """Delete module.attr if there is one, keeping it in `saved`.

    >>> import time
    >>> from grove import monkey
    >>> monkey.remove_item(time, "sleep")
    >>> hasattr(time, "sleep"), callable(monkey.get_original("time", "sleep"))
    (False, True)
    """
    old = getattr(module, attr, _MISSING)
    if old is _MISSING:
        return
    saved.setdefault(module.__name__, {}).setdefault(attr, old)
    delattr(module, attr)
