import socket as _stdlib
from typing import Any

from typing_extensions import Self

from grove._core import timeout_default as timeout_default
from grove._core import wait_read as wait_read
from grove._core import wait_readwrite as wait_readwrite
from grove._core import wait_write as wait_write

__implements__: list[str]
__extensions__: list[str]
__imports__: list[str]
__dns__: list[str]

class cancel_wait_ex(OSError): ...

class socket(_stdlib.socket):
    _sock: Any
    ref: bool
    @property
    def hub(self) -> Any: ...
    @property
    def closed(self) -> bool: ...
    def accept(self) -> tuple[socket, Any]: ...
    def dup(self) -> Self: ...

SocketType: type[socket]

def create_connection(
    address: tuple[str | None, int],
    timeout: float | None = ...,
    source_address: Any | None = None,
    *,
    all_errors: bool = False,
) -> socket: ...
def fromfd(fd: int, family: int, type: int, proto: int = 0) -> socket: ...
def socketpair(
    family: int | None = None, type: int = ..., proto: int = 0
) -> tuple[socket, socket]: ...
def wait(io: Any, timeout: float | None = None, timeout_exc: Any = ...) -> None: ...
def cancel_wait(watcher: Any, error: BaseException | type[BaseException] = ...) -> None: ...

# All other names; those above stay ours, which type checkers remark upon.
from socket import *  # type: ignore[assignment, misc]
