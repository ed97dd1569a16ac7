"""What all resolvers have in common."""

import socket as _stdlib
from collections.abc import Sequence
from typing import Any

import _socket

__all__ = ["AbstractResolver", "as_enums", "host_text"]


def as_enums(found: Sequence[tuple]) -> list[tuple]:
    """What _socket.getaddrinfo returns as the module socket's function has it.

    >>> import _socket
    >>> from grove.resolver.abstract import as_enums
    >>> as_enums(_socket.getaddrinfo("127.0.0.1", 80, proto=_socket.IPPROTO_TCP))[0][0]
    <AddressFamily.AF_INET: 2>
    """
    return [
        (
            _stdlib._intenum_converter(family, _stdlib.AddressFamily),  # type: ignore[attr-defined]
            _stdlib._intenum_converter(kind, _stdlib.SocketKind),  # type: ignore[attr-defined]
            *rest,
        )
        for family, kind, *rest in found
    ]


def host_text(name: Any) -> str | None:
    """A host as the C library takes it: in ASCII; TypeError or gaierror, UnicodeError
    for a str whose labels are empty or too long.

    >>> from grove.resolver.abstract import host_text
    >>> host_text("m\\u00fcnchen.example"), host_text(b"localhost")
    ('xn--mnchen-3ya.example', 'localhost')
    """
    if name is None:
        return None
    if isinstance(name, str):
        name = name.encode("idna")
    elif not isinstance(name, (bytes, bytearray)):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    text = bytes(name).decode("latin-1")
    if "\0" in text or not text.isascii():
        raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")
    return text


class AbstractResolver:
    """What a hub's resolver has. The methods' arguments, results and errors are
    those of the module socket's functions. A program's own has those that it needs.

    >>> import grove
    >>> from grove.resolver import AbstractResolver
    >>> class Table(AbstractResolver):
    ...     "Knows one name."
    ...     def gethostbyname(self, hostname):
    ...         return {"db": "127.0.0.9"}[hostname]
    >>> grove.get_hub().resolver = Table()
    >>> grove.socket.gethostbyname("db")
    '127.0.0.9'
    >>> del grove.get_hub().resolver
    """

    def __init__(self, hub: Any = None) -> None:
        """A resolver of hub; None: of whoever calls it."""
        self.hub = hub

    def close(self) -> None:
        """It is used no more.

        >>> import grove
        >>> from grove.resolver import AbstractResolver
        >>> class Telling(AbstractResolver):
        ...     def close(self):
        ...         print("closed")
        >>> def ended():
        ...     grove.sleep()
        ...     grove.get_hub().resolver = Telling()
        ...     grove.get_hub().destroy()
        >>> grove.get_hub().threadpool.apply(ended)
        closed
        """

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
        """The addresses of host.

        >>> from grove.resolver import AbstractResolver
        >>> try:
        ...     AbstractResolver().getaddrinfo("db", 80)
        ... except NotImplementedError:
        ...     print("a class of one's own says how")
        a class of one's own says how
        """
        raise NotImplementedError

    def gethostbyname(self, hostname: Any) -> str:
        """The first IPv4 address of hostname.

        >>> from grove.resolver import AbstractResolver
        >>> try:
        ...     AbstractResolver().gethostbyname("db")
        ... except NotImplementedError:
        ...     print("a class of one's own says how")
        a class of one's own says how
        """
        raise NotImplementedError

    def gethostbyname_ex(self, hostname: Any) -> tuple[str, list[str], list[str]]:
        """The name, other names and IPv4 addresses of hostname.

        >>> from grove.resolver import AbstractResolver
        >>> try:
        ...     AbstractResolver().gethostbyname_ex("db")
        ... except NotImplementedError:
        ...     print("a class of one's own says how")
        a class of one's own says how
        """
        raise NotImplementedError

    def gethostbyaddr(self, ip_address: Any) -> tuple[str, list[str], list[str]]:
        """The name, other names and addresses of an address or a host.

        >>> from grove.resolver import AbstractResolver
        >>> try:
        ...     AbstractResolver().gethostbyaddr("::1")
        ... except NotImplementedError:
        ...     print("a class of one's own says how")
        a class of one's own says how
        """
        raise NotImplementedError

    def getnameinfo(self, sockaddr: tuple, flags: int) -> tuple[str, str]:
        """The names of an address's host and port.

        >>> from grove.resolver import AbstractResolver
        >>> try:
        ...     AbstractResolver().getnameinfo(("::1", 80), 0)
        ... except NotImplementedError:
        ...     print("a class of one's own says how")
        a class of one's own says how
        """
        raise NotImplementedError
