"""libc's functions on native threads, while other greenlets run."""

from collections.abc import Callable
from typing import Any

from grove.resolver.abstract import AbstractResolver
from grove.resolver.blocking import Resolver as Blocking
from grove.threads.offload import run_in_thread

__all__ = ["Resolver"]


def _on_thread(function: Callable) -> Callable:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return run_in_thread(function, *args, **kwargs)

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
