"""Locks that were made before threads were patched.

A greenlet that waits in a native lock makes all of its thread wait, also the one
that would release it. Those of the standard library are known; of others those
are replaced that nothing but a module's global name refers to.
"""

import importlib._bootstrap as _bootstrap  # type: ignore[import]
import os
import sys
import threading
from types import ModuleType
from typing import Any

from grove.patching.originals import patch_item
from grove.stdlib import natives
from grove.thread import LockType, RLock

_NativeLock = type(natives.allocate_lock())
_NativeRLock = natives.RLock


def replace_own_locks(module: ModuleType) -> None:
    """Those of the module threading."""
    for name in "_active_limbo_lock", "_shutdown_locks_lock":
        lock = getattr(module, name, None)
        if type(lock) in _NATIVE:
            setattr(module, name, _new(lock))


def replace_logging_locks() -> None:
    """Those of the module logging and its handlers, if it is imported."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    patch_item(logging, "_lock", _like(logging._lock))
    for reference in list(logging._handlerList):
        handler = reference()
        if handler is not None and getattr(handler, "lock", None) is not None:
            handler.lock = _like(handler.lock)


def _like(old: Any) -> RLock:
    """A lock of ours, held as often by the current greenlet as the old one is."""
    if isinstance(old, RLock):
        return old
    new = RLock()
    if isinstance(old, _NativeRLock) and old._is_owned():  # type: ignore[attr-defined]
        count, _ = old._release_save()  # type: ignore[attr-defined]
        for _ in range(count):
            new.acquire()
    return new


def replace_locks() -> None:
    """Those of the standard library that are known and free. In a process with one
    thread, where nobody can be using them, those of the import system and of all
    modules, too."""
    import _thread

    _replace_shutdown_lock()
    _replace_fields("multiprocessing.resource_tracker", "_resource_tracker")
    _replace_fields("multiprocessing.forkserver", "_forkserver")
    if len(threading.enumerate()) > 1 or _thread._count():
        return
    _replace_module_locks()
    for module in list(sys.modules.values()):
        if not getattr(module, "__name__", "grove").startswith("grove"):
            _replace_globals(vars(module))


def _replace_module_locks() -> None:
    """Two greenlets import one module: the second waits for the first."""
    for reference in list(_bootstrap._module_locks.values()):  # type: ignore[attr-defined]
        lock = reference()
        if hasattr(lock, "wakeup"):
            lock.wakeup = LockType()
            lock.lock = RLock() if isinstance(lock.lock, _NativeRLock) else LockType()


def _is_free(lock: Any) -> bool:
    if isinstance(lock, _NativeLock):
        return not lock.locked()
    return not lock._is_owned()


def _new(lock: Any) -> Any:
    return LockType() if isinstance(lock, _NativeLock) else RLock()


def _replace_globals(names: dict[str, Any]) -> None:
    for name in [n for n, o in names.items() if type(o) in _NATIVE]:
        lock = names[name]
        # The dict, the name here and the argument.
        if sys.getrefcount(lock) <= _ALONE and _is_free(lock):
            names[name] = _new(lock)


_NATIVE = frozenset((_NativeLock, _NativeRLock))


def _count_alone() -> int:
    """What getrefcount says of a lock that only a dict refers to."""
    names = {"lock": natives.allocate_lock()}
    lock = names["lock"]
    return sys.getrefcount(lock)


_ALONE = _count_alone()


def _replace_fields(module: str, name: str) -> None:
    """The locks that are fields of an object of that module's."""
    owner = getattr(sys.modules.get(module), name, None)
    for field, lock in list(vars(owner).items()) if owner is not None else []:
        if type(lock) in _NATIVE and _is_free(lock):
            setattr(owner, field, _new(lock))


def _replace_shutdown_lock() -> None:
    """That of concurrent.futures: submit() holds it while a thread starts."""
    module = sys.modules.get("concurrent.futures.thread")
    lock = getattr(module, "_global_shutdown_lock", None)
    if type(lock) not in _NATIVE or not _is_free(lock):
        return
    lock = module._global_shutdown_lock = LockType()  # type: ignore[union-attr]
    os.register_at_fork(after_in_child=lock._at_fork_reinit)
