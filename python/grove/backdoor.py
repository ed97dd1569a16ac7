"""A server that gives whoever connects an interactive Python in this process.

Everything may be done there: listen where only you can connect.
"""

import atexit
import builtins
import sys
from code import InteractiveConsole
from typing import Any

from grove._core import getcurrent
from grove.server import StreamServer

__all__ = ["BackdoorServer"]

#: Of each greenlet that is at a console the files, by the names of the streams.
_files: dict[Any, dict[str, Any]] = {}


class _Stream:
    """A standard stream: at a console its connection, elsewhere what it was."""

    def __init__(self, name: str, replaced: Any) -> None:
        self._name = name
        self._replaced = replaced

    def _file(self) -> Any:
        return _files.get(getcurrent(), {}).get(self._name, self._replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file(), name)

    def __iter__(self) -> Any:
        return iter(self._file())


_NAMES = ("stdin", "stdout", "stderr")


def _enter(reader: Any, writer: Any) -> None:
    for name in _NAMES:
        stream = getattr(sys, name)
        if not isinstance(stream, _Stream):
            setattr(sys, name, _Stream(name, stream))
    _files[getcurrent()] = {"stdin": reader, "stdout": writer, "stderr": writer}


def _leave() -> None:
    del _files[getcurrent()]
    if not _files:
        _put_back()


def _put_back() -> None:
    for name in _NAMES:
        stream = getattr(sys, name)
        if isinstance(stream, _Stream):  # unless somebody has replaced it since
            setattr(sys, name, stream._replaced)


# The interpreter flushes its streams when there are no greenlets any more.
atexit.register(_put_back)


class _Console(InteractiveConsole):
    """Reads lines from a connection and writes to it."""

    def __init__(self, reader: Any, writer: Any, names: dict[str, Any]) -> None:
        super().__init__(names)
        self._reader = reader
        self._writer = writer

    def raw_input(self, prompt: str = "") -> str:
        """The next line."""
        self.write(prompt)
        line = self._reader.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")

    def write(self, data: str) -> None:
        """What the console has to say."""
        self._writer.write(data)
        self._writer.flush()


class BackdoorServer(StreamServer):
    """Serves interactive Python: telnet or netcat will do.

    Args:
        listener: as of StreamServer.
        locals: names that each console has; their changes are that console's.
        banner: what it says first.
        server_args: of StreamServer.

    quit() and exit() end the connection, not the process.

    >>> from grove import backdoor, socket
    >>> server = backdoor.BackdoorServer(("127.0.0.1", 0), {"answer": 42})
    >>> server.start()
    >>> client = socket.create_connection(server.address)
    >>> client.sendall(b"print(answer)\\nquit()\\n")
    >>> b"42" in client.makefile("rb").read()
    True
    >>> client.close()
    >>> server.stop()
    """

    def __init__(
        self,
        listener: Any,
        locals: dict[str, Any] | None = None,
        banner: str | None = None,
        **server_args: Any,
    ) -> None:
        super().__init__(listener, **server_args)
        self.locals = {"__doc__": None, "__name__": "__console__", **(locals or {})}
        self.banner = banner

    def _create_interactive_locals(self) -> dict[str, Any]:
        return {**self.locals, "__builtins__": builtins}

    def handle(self, conn: Any, _address: Any) -> None:
        """One connection, from the banner to its end.

        >>> from grove import backdoor, socket
        >>> server = backdoor.BackdoorServer(("127.0.0.1", 0), banner="hello")
        >>> client, console = socket.socketpair()
        >>> client.sendall(b"quit()\\n")
        >>> server.handle(console, None)
        >>> client.recv(100).split()
        [b'hello', b'>>>']
        >>> client.close()
        """
        # Two files: one that is written to forgets the lines that it has read ahead.
        reader, writer = (
            conn.makefile(mode=mode, encoding="utf-8", errors="replace") for mode in "rw"
        )
        _enter(reader, writer)
        try:
            console = _Console(reader, writer, self._create_interactive_locals())
            console.interact(self.banner, exitmsg="")
        except SystemExit:
            pass  # of the connection only
        except (OSError, ValueError):
            pass  # the peer has gone, or the code has closed its stdin
        finally:
            _leave()
            for file in writer, reader:
                try:
                    file.close()
                except OSError:
                    pass
