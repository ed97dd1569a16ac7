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


class Resolver(AbstractResolver):
    """Looks names up by libc's functions, on a few native threads.

    >>> import grove
    >>> from grove.resolver.thread import Resolver
    >>> grove.get_hub().resolver = Resolver()
    >>> grove.socket.gethostbyname("localhost")
    '127.0.0.1'
    >>> del grove.get_hub().resolver
    """

    def getaddrinfo(
        self,
        host: Any,
        port: Any,
        family: int = 0,
        socktype: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple]:
        """As socket.getaddrinfo, on a native thread.

        >>> from grove.resolver.thread import Resolver
        >>> resolver = Resolver()
        >>> resolver.getaddrinfo("127.0.0.1", 80)[0][4]
        ('127.0.0.1', 80)
        """
        return _ask(Blocking.getaddrinfo, host, port, family, socktype, proto, flags)

    def gethostbyname(self, hostname: Any) -> str:
        """As socket.gethostbyname, on a native thread.

        >>> from grove.resolver.thread import Resolver
        >>> resolver = Resolver()
        >>> resolver.gethostbyname("localhost")
        '127.0.0.1'
        """
        return _ask(Blocking.gethostbyname, hostname)

    def gethostbyname_ex(self, hostname: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyname_ex, on a native thread.

        >>> from grove.resolver.thread import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyname_ex("localhost")[2]
        True
        """
        return _ask(Blocking.gethostbyname_ex, hostname)

    def gethostbyaddr(self, ip_address: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyaddr, on a native thread.

        >>> from grove.resolver.thread import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyaddr("127.0.0.1")[2]
        True
        """
        return _ask(Blocking.gethostbyaddr, ip_address)

    def getnameinfo(self, sockaddr: tuple, flags: int) -> tuple[str, str]:
        """As socket.getnameinfo, on a native thread.

        >>> from grove import socket
        >>> from grove.resolver.thread import Resolver
        >>> numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        >>> Resolver().getnameinfo(("127.0.0.1", 80), numeric)
        ('127.0.0.1', '80')
        """
        return _ask(Blocking.getnameinfo, sockaddr, flags)
