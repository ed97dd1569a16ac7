"""The runtime's own look-ups, by c-ares in the hub's loop: no native thread waits.

What is asked of whom is said by nsswitch.conf, resolv.conf and /etc/hosts, as for
libc; what c-ares cannot say the runtime asks libc, on a thread. Where the library
was built without c-ares that is all of it.
"""

from typing import Any

import _socket
from grove import _core
from grove.resolver.abstract import AbstractResolver, as_enums, host_text
from grove.settings.config import config

__all__ = ["Resolver"]


def _service(port: Any) -> str | None:
    if isinstance(port, int):
        return str(port)
    if isinstance(port, bytes):
        return port.decode("ascii")
    if port is None or isinstance(port, str):
        return port
    raise OSError("Int or String expected")


class Resolver(AbstractResolver):
    """Looks names up in the hub's loop.

    All hubs have one list of servers: the last that was given.

    >>> import grove
    >>> from grove.resolver.ares import Resolver
    >>> grove.get_hub().resolver = Resolver()
    >>> grove.socket.gethostbyname("localhost")
    '127.0.0.1'
    >>> del grove.get_hub().resolver
    """

    def __init__(
        self, hub: Any = None, use_environ: bool = True, servers: Any = None
    ) -> None:
        """Ask the system's servers, or these.

        Args:
            use_environ: look at the settings ares_servers and ares_udp_port if
                servers is None. Time-outs, tries and ndots are those of
                resolv.conf.
            servers: addresses, in a list or separated by commas.

        Raises ValueError when they are no addresses.
        """
        super().__init__(hub)
        port = None
        if servers is None and use_environ:
            servers = config.ares_servers
            port = config.ares_udp_port
        if servers:
            if isinstance(servers, str):
                servers = servers.split(",")
            _core.dns_set_servers(",".join(_with_port(one, port) for one in servers))

    def getaddrinfo(
        self,
        host: Any,
        port: Any,
        family: int = 0,
        socktype: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple]:
        """As socket.getaddrinfo.

        >>> from grove.resolver.ares import Resolver
        >>> resolver = Resolver()
        >>> resolver.getaddrinfo("127.0.0.1", 80)[0][4]
        ('127.0.0.1', 80)
        """
        return as_enums(
            _core.dns_getaddrinfo(
                host_text(host), _service(port), family, socktype, proto, flags
            )
        )

    def _addresses(self, name: Any, family: int, flags: int = 0) -> list[tuple]:
        return _core.dns_getaddrinfo(
            host_text(name), None, family, _socket.SOCK_DGRAM, 0, flags
        )

    def gethostbyname(self, hostname: Any) -> str:
        """As socket.gethostbyname.

        >>> from grove.resolver.ares import Resolver
        >>> resolver = Resolver()
        >>> resolver.gethostbyname("localhost")
        '127.0.0.1'
        """
        return self._addresses(hostname, _socket.AF_INET)[0][4][0]

    def gethostbyname_ex(self, hostname: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyname_ex; of its other names only the one that it was
        asked for is known.

        >>> from grove.resolver.ares import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyname_ex("localhost")[2]
        True
        """
        found = self._addresses(hostname, _socket.AF_INET, _socket.AI_CANONNAME)
        asked = host_text(hostname) or ""
        name = found[0][3] or asked
        others = [] if name == asked else [asked]
        return name, others, [entry[4][0] for entry in found]

    def gethostbyaddr(self, ip_address: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyaddr; herror when the address has no name.

        >>> from grove.resolver.ares import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyaddr("127.0.0.1")[2]
        True
        """
        number = self._addresses(ip_address, 0)[0][4][0]
        try:
            name, _ = _core.dns_getnameinfo(number, "0", _socket.NI_NAMEREQD)
        except _socket.gaierror as error:
            if error.errno != _socket.EAI_NONAME:
                raise
            raise _socket.herror(1, "Unknown host") from None
        return name, [], [number]

    def getnameinfo(self, sockaddr: tuple, flags: int) -> tuple[str, str]:
        """As socket.getnameinfo.

        >>> from grove import socket
        >>> from grove.resolver.ares import Resolver
        >>> numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        >>> Resolver().getnameinfo(("127.0.0.1", 80), numeric)
        ('127.0.0.1', '80')
        """
        # Numbers alone: it checks the arguments, and what the port is called.
        number = _socket.getnameinfo(sockaddr, flags | _socket.NI_NUMERICHOST)  # type: ignore[arg-type]
        if flags & _socket.NI_NUMERICHOST:
            return number
        return _core.dns_getnameinfo(number[0], str(sockaddr[1]), flags)


def _with_port(server: str, port: int | None) -> str:
    """server with its port: the one that is set, unless it has one."""
    if not port or server.startswith("[") or server.count(":") == 1:
        return server
    return f"[{server}]:{port}" if ":" in server else f"{server}:{port}"
