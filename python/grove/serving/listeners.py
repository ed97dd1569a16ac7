"""The sockets that a server's processes listen on.

Each process has one of its own for an address, by SO_REUSEPORT, so that the system
deals connections out to them; of a Unix socket they have the same one. All are made
by the process that looks after the others and outlive those: what has come to a
socket is served by the process that has it next.

The standard library's sockets are used, which wait for nothing here.
"""

import os
import socket
import stat

__all__ = ["BACKLOG", "Listeners"]

#: Connections that the system keeps until they are accepted.
BACKLOG = 2048


def _address_of(text: str) -> tuple[int, tuple[str, int] | str]:
    """The family and the address of HOST:PORT or unix:PATH; ValueError."""
    if text.startswith("unix:") and text != "unix:":
        return socket.AF_UNIX, text[5:]
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"not HOST:PORT, and not unix:PATH: {text!r}")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return family, (host, int(port))


def _bound(
    family: int, address: tuple[str, int] | str, first: bool = True
) -> socket.socket:
    """A socket that listens on address. first: nobody else does, not even by
    SO_REUSEPORT; others of ours may from then on."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, not first)
        sock.bind(address)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # one that is busy is there
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:
            pass


class Listeners:
    """Those of all processes, for all addresses."""

    def __init__(self, texts: list[str], processes: int) -> None:
        """
        Args:
            texts: HOST:PORT or unix:PATH each; of port 0 the system chooses one.
            processes: how many there are.

        Raises:
            ValueError, OSError: one of texts is no address, or is taken.
        """
        self._of: list[list[socket.socket]] = [[] for _ in range(processes)]
        self._paths: list[str] = []
        try:
            for text in texts:
                self._add_named(text)
        except BaseException:
            self.close()
            raise

    def _add_named(self, text: str) -> None:
        family, address = _address_of(text)
        try:
            self._add(family, address)
        except OSError as error:
            raise OSError(f"{text}: {error.strerror or error}") from None

    def _add(self, family: int, address: tuple[str, int] | str) -> None:
        if isinstance(address, str):
            _remove_stale(address)
        first = _bound(family, address)
        if isinstance(address, str):
            self._paths.append(address)
        for own in self._of:
            if own is self._of[0] or isinstance(address, str):
                own.append(first)
            else:
                own.append(_bound(family, first.getsockname(), first=False))

    def of(self, process: int) -> list[socket.socket]:
        """Those of one process."""
        return self._of[process]

    def close_others(self, process: int) -> None:
        """In that process: close what only others listen on."""
        kept = set(self._of[process])
        for sock in {sock for own in self._of for sock in own} - kept:
            sock.close()

    def close(self) -> None:
        """Nobody listens any more, and the paths are gone."""
        for sock in {sock for own in self._of for sock in own}:
            sock.close()
        for path in self._paths:
            if os.path.exists(path):
                os.unlink(path)

    def described(self) -> list[str]:
        """The addresses, as people write them."""
        return [_written(sock) for sock in self._of[0]]


def _written(sock: socket.socket) -> str:
    address = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{address}"
    host = f"[{address[0]}]" if sock.family == socket.AF_INET6 else address[0]
    return f"{host}:{address[1]}"
