import sys
from _thread import TIMEOUT_MAX as TIMEOUT_MAX
from _thread import error as error
from _thread import get_native_id as get_native_id
from _thread import interrupt_main as interrupt_main
from collections.abc import Callable
from typing import Any, NoReturn

from typing_extensions import Self, final

import grove.lock
from grove.lock import BoundedSemaphore

__all__ = [
    "LockType",
    "RLock",
    "TIMEOUT_MAX",
    "allocate",
    "allocate_lock",
    "error",
    "exit",
    "exit_thread",
    "get_ident",
    "get_native_id",
    "interrupt_main",
    "stack_size",
    "start_new",
    "start_new_thread",
]

if sys.version_info >= (3, 13):
    from _thread import daemon_threads_allowed as daemon_threads_allowed

    __all__ += ["daemon_threads_allowed", "lock", "start_joinable_thread"]

if sys.version_info >= (3, 14):
    from _thread import set_name as set_name

    __all__ += ["set_name"]

@final
class LockType(BoundedSemaphore):
    def __new__(cls) -> Self: ...
    def __init__(self) -> None: ...
    def acquire(self, blocking: bool = True, timeout: float | None = -1) -> bool: ...
    def acquire_lock(
        self, blocking: bool = True, timeout: float | None = -1
    ) -> bool: ...
    def release(self) -> None: ...  # type: ignore[override]
    def release_lock(self) -> None: ...
    def locked(self) -> bool: ...
    def locked_lock(self) -> bool: ...
    def __enter__(self) -> bool: ...  # type: ignore[override]
    def __exit__(self, *exc_info: object) -> None: ...

class RLock(grove.lock.RLock):
    def __new__(cls) -> Self: ...
    def acquire(self, blocking: bool = True, timeout: float | None = -1) -> bool: ...

allocate_lock = LockType
allocate = LockType
lock = LockType

def exit() -> NoReturn: ...

exit_thread = exit

def get_ident(gr: object = None) -> int: ...
def stack_size(size: int | None = None) -> int: ...
def start_new_thread(
    function: Callable[..., object],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> int: ...

start_new = start_new_thread

class _ThreadHandle:
    ident: int | None
    def __init__(self) -> None: ...
    def is_done(self) -> bool: ...
    def join(self, timeout: float | None = None) -> None: ...

def start_joinable_thread(
    function: Callable[[], object],
    handle: _ThreadHandle | None = None,
    daemon: bool = True,
) -> _ThreadHandle: ...

# For threading.py.
def _make_thread_handle(ident: int) -> _ThreadHandle: ...
def _spawn(
    function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any: ...
def _start_joinable(
    function: Callable[[], object], handle: _ThreadHandle | None, daemon: bool
) -> tuple[_ThreadHandle, Any]: ...
