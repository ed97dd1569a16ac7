"""libc's functions as they are: who looks a name up holds up all greenlets."""

from typing import Any

import _socket
from grove.resolver.abstract import AbstractResolver, as_enums

__all__ = ["Resolver"]


class Resolver(AbstractResolver):
    """Looks names up by libc's functions, while no other greenlet runs.

    >>> import grove
    >>> from grove.resolver.blocking import Resolver
    >>> grove.get_hub().resolver = Resolver()
    >>> grove.socket.gethostbyname("localhost")
    '127.0.0.1'
    >>> del grove.get_hub().resolver
    """

    @staticmethod
    def getaddrinfo(
        host: Any,
        port: Any,
        family: int = 0,
        socktype: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple]:
        """As socket.getaddrinfo.

        >>> from grove.resolver.blocking import Resolver
        >>> resolver = Resolver()
        >>> resolver.getaddrinfo("127.0.0.1", 80)[0][4]
        ('127.0.0.1', 80)
        """
        return as_enums(
            _socket.getaddrinfo(host, port, family, socktype, proto, flags)
        )

    @staticmethod
    def gethostbyname(hostname: Any) -> str:
        """As socket.gethostbyname.

        >>> from grove.resolver.blocking import Resolver
        >>> resolver = Resolver()
        >>> resolver.gethostbyname("localhost")
        '127.0.0.1'
        """
        return _socket.gethostbyname(hostname)

    @staticmethod
    def gethostbyname_ex(hostname: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyname_ex.

        >>> from grove.resolver.blocking import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyname_ex("localhost")[2]
        True
        """
        return _socket.gethostbyname_ex(hostname)

    @staticmethod
    def gethostbyaddr(ip_address: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyaddr.

        >>> from grove.resolver.blocking import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyaddr("127.0.0.1")[2]
        True
        """
        return _socket.gethostbyaddr(ip_address)

    @staticmethod
    def getnameinfo(sockaddr: tuple, flags: int) -> tuple[str, str]:
        """As socket.getnameinfo.

        >>> from grove import socket
        >>> from grove.resolver.blocking import Resolver
        >>> numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        >>> Resolver().getnameinfo(("127.0.0.1", 80), numeric)
        ('127.0.0.1', '80')
        """
        return _socket.getnameinfo(sockaddr, flags)  # type: ignore[arg-type]
