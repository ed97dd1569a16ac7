"""The three classes of grove.fileobject, and what they have in common.

Each wraps a file of the module io and hands calls on to it; what differs is how
that file reads and writes. (gevent._fileobjectcommon)
"""

import errno
import io
from collections.abc import Callable
from typing import Any, NoReturn

from grove import _core
from grove.files.arguments import Opening, raw_of
from grove.files.raw import RawFile


class FileObjectClosed(OSError):
    """What is raised by a file object that was closed, also under whoever reads."""

    def __init__(self) -> None:
        super().__init__(errno.EBADF, "Bad file descriptor (FileObject was closed)")


class ClosedIO:
    """Stands for the file once it is closed: everything it has is an error."""

    def __init__(self, name: Any) -> None:
        self.name = name

    closed = True

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise FileObjectClosed()

    def __iter__(self) -> NoReturn:
        raise FileObjectClosed()


class GreenFileDescriptorIO(RawFile):
    """The raw file of a FileObjectPosix."""

    #: The file whose descriptor it is, if it is another's.
    source: Any = None

    def readinto(self, buffer: Any) -> int:
        """As RawFile's; FileObjectClosed when it is closed meanwhile."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            self._explain(error)
            raise

    def write(self, data: Any) -> int:
        """As RawFile's; FileObjectClosed when it is closed meanwhile."""
        try:
            return super().write(data)
        except OSError as error:
            self._explain(error)
            raise

    def _explain(self, error: OSError) -> None:
        if error.errno == errno.EBADF and self.closed:
            raise FileObjectClosed() from None


class FileObjectBase:
    """A file whose methods are those of its attribute io."""

    def __init__(self, opening: Opening, file: Any) -> None:
        self._opening = opening
        self._io: Any = file

    @property
    def io(self) -> Any:
        """The file of the module io that is wrapped."""
        return self._io

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return isinstance(self._io, ClosedIO)

    def close(self) -> None:
        """Flush and close it; nothing if that was done.

        Whoever reads or writes meanwhile gets FileObjectClosed.

        >>> import os
        >>> from grove.fileobject import FileObject
        >>> file = FileObject(os.devnull)
        >>> file.close()
        >>> file.closed
        True
        """
        if self.closed:
            return
        file, self._io = self._io, ClosedIO(getattr(self._io, "name", None))
        self._close_file(file)

    def _close_file(self, file: Any) -> None:
        try:
            file.flush()
        finally:
            if self._opening.closefd or self._opening.is_path:
                file.close()
                if self._opening.is_file:
                    self._opening.fobj.close()

    def __getattr__(self, name: str) -> Any:
        if name == "_io":  # __init__ has failed
            raise AttributeError(name)
        return self._wrapped(getattr(self._io, name))

    def _wrapped(self, attribute: Any) -> Any:
        return attribute

    def __iter__(self) -> Any:
        if self.closed:
            raise FileObjectClosed()
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def next(self) -> Any:
        """The next line; StopIteration at the end.

        >>> import os
        >>> from grove.fileobject import FileObject
        >>> r, w = os.pipe()
        >>> os.write(w, b"one\\ntwo\\n")
        8
        >>> with FileObject(r, "rb") as file:
        ...     file.next(), file.next()
        (b'one\\n', b'two\\n')
        >>> os.close(w)
        """
        return self.__next__()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} at {id(self):#x} "
            f"{'closed' if self.closed else ''}_fobj={self._io!r}{self._extra_repr()}>"
        )


class FileObjectPosix(FileObjectBase):
    """A file that parks greenlets: pipes, terminals and sockets until they are
    ready, regular files in the runtime's own file layer.

    The arguments are those of Opening. The flags of a descriptor are left as they
    are.

    >>> import os
    >>> from grove.fileobject import FileObjectPosix
    >>> r, w = os.pipe()
    >>> with FileObjectPosix(r, "r") as reader, FileObjectPosix(w, "w") as writer:
    ...     _ = writer.write("hello\\n")
    ...     writer.flush()
    ...     reader.readline()
    'hello\\n'
    """

    #: The buffer of one that is opened without buffering.
    default_bufsize = io.DEFAULT_BUFFER_SIZE

    def __init__(self, fobj: Any, *args: Any, **kwargs: Any) -> None:
        opening = Opening(fobj, *args, **kwargs)
        super().__init__(opening, opening.open(GreenFileDescriptorIO))

    def _close_file(self, file: Any) -> None:
        raw = raw_of(file)
        try:
            super()._close_file(file)
        except RuntimeError:
            # Another greenlet is inside of the buffer, and learns of it there.
            _core.fd_closed(raw.fileno())
            raw.close()
            if self._opening.is_file and self._opening.closefd:
                self._opening.fobj.close()


class FileObjectBlock(FileObjectBase):
    """A file as io.open has it: its calls hold up the thread.

    The arguments are those of Opening.

    >>> import os
    >>> from grove.fileobject import FileObjectBlock
    >>> with FileObjectBlock(os.devnull, "rb") as file:
    ...     file.read()
    b''
    """

    def __init__(self, fobj: Any, *args: Any, **kwargs: Any) -> None:
        opening = Opening(fobj, *args, **kwargs)
        super().__init__(opening, opening.adapt())


class _NoLock:
    """Stands for a lock where there is none."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: object) -> None:
        pass


class FileObjectThread(FileObjectBase):
    """A file as io.open has it, each call of which a native thread makes.

    The arguments are those of Opening.

    Args:
        lock: True: one greenlet's call at a time; False: not; or a lock.
        threadpool: whose threads; the hub's by default.

    >>> import os
    >>> from grove.fileobject import FileObjectThread
    >>> with FileObjectThread(os.devnull, "rb") as file:
    ...     file.read()
    b''
    """

    def __init__(
        self, *args: Any, lock: Any = True, threadpool: Any = None, **kwargs: Any
    ) -> None:
        from grove.lock import Semaphore

        opening = Opening(*args, **kwargs)
        if threadpool is None:
            threadpool = _core.get_hub().threadpool
        self.threadpool = threadpool
        self.lock: Any = lock
        if lock is True:
            self.lock = Semaphore()
        elif not lock:
            self.lock = _NoLock()
        super().__init__(opening, opening.adapt())

    def _wrapped(self, attribute: Any) -> Any:
        return self._on_thread(attribute) if callable(attribute) else attribute

    def _on_thread(self, method: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.lock:
                if self.closed:
                    raise FileObjectClosed()
                return self.threadpool.apply(method, args, kwargs)

        return call

    def _close_file(self, file: Any) -> None:
        with self.lock:
            self.threadpool.apply(super()._close_file, (file,))

    def _extra_repr(self) -> str:
        return f" threadpool={self.threadpool!r}"
