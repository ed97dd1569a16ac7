"""libc's functions as they are: who looks a name up holds up all greenlets."""

from typing import Any

import _socket
from grove.resolver.abstract import AbstractResolver, as_enums

__all__ = ["Resolver"]


class Resolver(AbstractResolver):
    """Looks names up by libc's functions, while no other greenlet runs."""

    @staticmethod
    def getaddrinfo(
        host: Any,
        port: Any,
        family: int = 0,
        socktype: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple]:
        """As socket.getaddrinfo."""
        return as_enums(
            _socket.getaddrinfo(host, port, family, socktype, proto, flags)
        )

    gethostbyname: Any = staticmethod(_socket.gethostbyname)
    gethostbyname_ex: Any = staticmethod(_socket.gethostbyname_ex)
    gethostbyaddr: Any = staticmethod(_socket.gethostbyaddr)
    getnameinfo: Any = staticmethod(_socket.getnameinfo)
