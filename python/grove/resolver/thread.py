"""libc's functions on native threads, while other greenlets run."""

import errno
from collections.abc import Callable
from typing import Any

from grove import _core
from grove.resolver.abstract import AbstractResolver
from grove.resolver.blocking import Resolver as Blocking
from grove.threads.offload import run_in_thread
from grove.timeout import Timeout

__all__ = ["Resolver"]


def _ask(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """function's result, counted among the numbers of the hub."""
    began = _core.name_asked()
    error = errno.EIO
    try:
        result = run_in_thread(function, *args, **kwargs)
        error = 0
        return result
    except Timeout:
        error = errno.ETIMEDOUT
        raise
    finally:
        _core.name_told(began, error)


def _on_thread(function: Callable) -> Callable:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _ask(function, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"As socket.{function.__name__}, on a native thread."
    return method


class Resolver(AbstractResolver):
    """Looks names up by libc's functions, on a few native threads."""

    getaddrinfo = _on_thread(Blocking.getaddrinfo)
    gethostbyname = _on_thread(Blocking.gethostbyname)
    gethostbyname_ex = _on_thread(Blocking.gethostbyname_ex)
    gethostbyaddr = _on_thread(Blocking.gethostbyaddr)
    getnameinfo = _on_thread(Blocking.getnameinfo)
