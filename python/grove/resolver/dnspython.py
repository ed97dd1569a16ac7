"""Look-ups by dnspython, whose queries wait as greenlets do.

dnspython is another project's, all in Python: Debian's package python3-dnspython.
Its modules that wait are loaded a second time here, for this resolver alone, and
given our sockets, selectors and time in the place of the standard ones; what the
program itself imports of it stays as it is.

Names and addresses that /etc/hosts has are not asked for: libc answers these, from
that file.
"""

import importlib
import importlib.util
import os
import socket as _stdlib
from types import ModuleType
from typing import Any

import _socket
from grove.names.aliases import real_name
from grove.resolver.abstract import AbstractResolver, as_enums, host_text
from grove.resolver.blocking import Resolver as Blocking
from grove.settings.config import config

try:
    import dns  # type: ignore[import]
    import dns.resolver  # type: ignore[import]
except ImportError as error:
    raise ImportError(
        "the resolver dnspython needs the package dnspython"
        f" (Debian: python3-dnspython): {error}"
    ) from error

__all__ = ["Resolver"]

HOSTS = "/etc/hosts"

#: What waits, in the order in which each needs those before it. (dns.nameserver
#: came with 2.5.)
_WAITING = ("query", "nameserver", "resolver")


class _Dns(ModuleType):
    """The package dns, with the modules loaded here in the place of its own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(dns, name)


def _load() -> ModuleType:
    """A dns.resolver that waits as greenlets do."""
    # They stand above this module, and are there by the time a hub resolves.
    ours = {
        name: importlib.import_module(real_name(f"gevent.{name}"))
        for name in ("socket", "selectors", "time")
    }
    package = _Dns("dns")
    for name in _WAITING:
        spec = importlib.util.find_spec(f"dns.{name}")
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        names = vars(module)
        names.update({n: there for n, there in ours.items() if n in names})
        names["dns"] = package
        setattr(package, name, module)
    package.query.socket_factory = ours["socket"].socket
    # Up to 2.6 it keeps a class; those after it ask the module selectors.
    if hasattr(package.query, "_selector_class"):
        package.query._selector_class = ours["selectors"].DefaultSelector
    return package.resolver


class _Hosts:
    """The names and addresses that the file of hosts has."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._words: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        """Whether it has name, as it is now."""
        try:
            status = os.stat(self._path)
        except OSError:
            return False
        version = (status.st_mtime_ns, status.st_size)
        if version != self._read_at:
            self._words = self._read()
            self._read_at = version
        return name.lower().rstrip(".") in self._words

    def _read(self) -> frozenset[str]:
        with open(self._path, encoding="utf-8", errors="replace") as file:
            lines = [line.partition("#")[0] for line in file]
        return frozenset(word.lower() for line in lines for word in line.split())


def _is_address(name: str) -> bool:
    family = _socket.AF_INET6 if ":" in name else _socket.AF_INET
    try:
        _socket.inet_pton(family, name.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


class Resolver(AbstractResolver):
    """Looks names up by dnspython, in the greenlet that asks.

    >>> import grove
    >>> from grove.resolver.dnspython import Resolver
    >>> grove.get_hub().resolver = Resolver()
    >>> grove.socket.gethostbyname("localhost")
    '127.0.0.1'
    >>> del grove.get_hub().resolver
    """

    def __init__(self, hub: Any = None) -> None:
        """Ask the servers of /etc/resolv.conf, or those of the setting
        resolver_nameservers, for as long as resolver_timeout says."""
        super().__init__(hub)
        self._dns = _load()
        self._resolver = self._dns.Resolver()
        if config.resolver_nameservers:
            self._resolver.nameservers = list(config.resolver_nameservers)
        if config.resolver_timeout:
            self._resolver.lifetime = config.resolver_timeout
        # What its own functions ask, which are shaped like the module socket's.
        self._dns._resolver = self._resolver  # type: ignore[attr-defined]
        self._hosts = _Hosts(HOSTS)

    def _needs_query(self, host: str | None, flags: int = 0) -> bool:
        """Whether it takes more than libc and the file of hosts."""
        if not host or flags & _socket.AI_NUMERICHOST or _is_address(host):
            return False
        return host not in self._hosts

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

        >>> from grove.resolver.dnspython import Resolver
        >>> resolver = Resolver()
        >>> resolver.getaddrinfo("127.0.0.1", 80)[0][4]
        ('127.0.0.1', 80)
        """
        name = host_text(host)
        if not self._needs_query(name, flags):
            return Blocking.getaddrinfo(name, port, family, socktype, proto, flags)
        # It checks all but the name, and finds the port and the types.
        number = "::" if family == _socket.AF_INET6 else "0.0.0.0"
        wanted = _socket.getaddrinfo(number, port, family, socktype, proto)
        service = wanted[0][4][1]
        found = self._dns._getaddrinfo(
            name, service, family, 0, 0, flags & _socket.AI_CANONNAME
        )
        kinds = [entry[1:3] for entry in wanted]
        names = {entry[4]: (entry[0], entry[3]) for entry in found}
        return as_enums(
            [
                (family, *kind, canonical, address)
                for address, (family, canonical) in names.items()
                for kind in kinds
            ]
        )

    def gethostbyname(self, hostname: Any) -> str:
        """As socket.gethostbyname.

        >>> from grove.resolver.dnspython import Resolver
        >>> resolver = Resolver()
        >>> resolver.gethostbyname("localhost")
        '127.0.0.1'
        """
        return self.gethostbyname_ex(hostname)[2][0]

    def gethostbyname_ex(self, hostname: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyname_ex; of its other names only the one that it was
        asked for is known.

        >>> from grove.resolver.dnspython import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyname_ex("localhost")[2]
        True
        """
        asked = host_text(hostname)
        if asked is None or not self._needs_query(asked):
            return Blocking.gethostbyname_ex(hostname)
        found = self.getaddrinfo(
            asked, None, _socket.AF_INET, _socket.SOCK_DGRAM, 0, _socket.AI_CANONNAME
        )
        name = found[0][3] or asked
        return name, [] if name == asked else [asked], [e[4][0] for e in found]

    def _name_of(self, number: str) -> str | None:
        """What an address is called; None: nothing."""
        try:
            answer = self._resolver.resolve(dns.reversename.from_address(number), "PTR")
        except (self._dns.NXDOMAIN, self._dns.NoAnswer):
            return None
        except dns.exception.DNSException:
            raise _socket.gaierror(
                _socket.EAI_AGAIN, "Temporary failure in name resolution"
            ) from None
        return answer.rrset[0].target.to_text(True)

    def gethostbyaddr(self, ip_address: Any) -> tuple[str, list[str], list[str]]:
        """As socket.gethostbyaddr; herror when the address has no name.

        >>> from grove.resolver.dnspython import Resolver
        >>> resolver = Resolver()
        >>> "127.0.0.1" in resolver.gethostbyaddr("127.0.0.1")[2]
        True
        """
        number = self.getaddrinfo(ip_address, None, 0, _socket.SOCK_DGRAM)[0][4][0]
        if number in self._hosts:
            return Blocking.gethostbyaddr(number)
        name = self._name_of(number)
        if name is None:
            raise _socket.herror(1, "Unknown host")
        return name, [], [number]

    def getnameinfo(self, sockaddr: tuple, flags: int) -> tuple[str, str]:
        """As socket.getnameinfo.

        >>> from grove import socket
        >>> from grove.resolver.dnspython import Resolver
        >>> numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        >>> Resolver().getnameinfo(("127.0.0.1", 80), numeric)
        ('127.0.0.1', '80')
        """
        # Numbers alone: it checks the arguments, and what the port is called.
        number, service = _socket.getnameinfo(sockaddr, flags | _socket.NI_NUMERICHOST)  # type: ignore[arg-type]
        if flags & _socket.NI_NUMERICHOST:
            return number, service
        if number in self._hosts:
            return Blocking.getnameinfo(sockaddr, flags)
        name = self._name_of(number.partition("%")[0])
        if name is None and flags & _socket.NI_NAMEREQD:
            raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")
        return name or number, service
