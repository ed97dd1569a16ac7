"""What all resolvers have in common."""

import socket as _stdlib
from collections.abc import Sequence
from typing import Any

import _socket

__all__ = ["AbstractResolver", "as_enums", "host_text"]


def as_enums(found: Sequence[tuple]) -> list[tuple]:
    """What _socket.getaddrinfo returns as the module socket's function has it."""
    return [
        (
            _stdlib._intenum_converter(family, _stdlib.AddressFamily),  # type: ignore[attr-defined]
            _stdlib._intenum_converter(kind, _stdlib.SocketKind),  # type: ignore[attr-defined]
            *rest,
        )
        for family, kind, *rest in found
    ]


def host_text(name: Any) -> str | None:
    """A host as the C library takes it: in ASCII; TypeError or gaierror."""
    if name is None:
        return None
    if isinstance(name, str):
        name = name if name.isascii() else name.encode("idna")
    elif not isinstance(name, (bytes, bytearray)):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    text = name if isinstance(name, str) else bytes(name).decode("latin-1")
    if "\0" in text or not text.isascii():
        raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")
    return text


class AbstractResolver:
    """What a hub's resolver has. The methods' arguments, results and errors are
    those of the module socket's functions."""

    def __init__(self, hub: Any = None) -> None:
        """A resolver of hub; None: of whoever calls it."""
        self.hub = hub

    def close(self) -> None:
        """It is used no more."""

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} at {id(self):#x}>"

    def getaddrinfo(
        self,
        host: Any,
        port: Any,
        family: int = 0,
        socktype: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple]:
        """The addresses of host."""
        raise NotImplementedError

    def gethostbyname(self, hostname: Any) -> str:
        """The first IPv4 address of hostname."""
        raise NotImplementedError

    def gethostbyname_ex(self, hostname: Any) -> tuple[str, list[str], list[str]]:
        """The name, other names and IPv4 addresses of hostname."""
        raise NotImplementedError

    def gethostbyaddr(self, ip_address: Any) -> tuple[str, list[str], list[str]]:
        """The name, other names and addresses of an address or a host."""
        raise NotImplementedError

    def getnameinfo(self, sockaddr: tuple, flags: int) -> tuple[str, str]:
        """The names of an address's host and port."""
        raise NotImplementedError
