"""The standard streams, as patch_sys() replaces them."""

import atexit
import sys
from typing import Any

from grove._core import _get_hub, getcurrent
from grove.files.objects import FileObjectPosix
from grove.lock import RLock

#: What each stream is opened for.
_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


class StandardStream(FileObjectPosix):
    """A standard stream that parks greenlets, one greenlet's call at a time.

    Where nothing can wait, in the hub and while the interpreter ends, it is the
    stream that it replaces.
    """

    #: Whether the interpreter has begun to end.
    ended = False

    def __init__(self, stream: Any, mode: str) -> None:
        self._lock = RLock()
        super().__init__(
            stream,
            mode,
            encoding=stream.encoding,
            errors=stream.errors,
            buffering=1 if stream.line_buffering else -1,
            closefd=False,
        )

    def _wrapped(self, attribute: Any) -> Any:
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.ended or (hub := _get_hub()) is None or getcurrent() is hub:
                replaced = getattr(self._opening.fobj, attribute.__name__)
                return replaced(*args, **kwargs)
            with self._lock:
                return attribute(*args, **kwargs)

        return call

    def end(self) -> None:
        """Write what is left; from here on it is the stream that it replaces."""
        self.ended = True
        if self._io.writable():
            self._io.flush()


def standard_stream(name: str) -> Any:
    """What sys.name is to be; itself when it has no descriptor, or is one."""
    stream = getattr(sys, name)
    if stream is None or isinstance(stream, StandardStream):
        return stream
    try:
        stream.fileno()
        ours = StandardStream(stream, _MODES[name])
    except (AttributeError, OSError, ValueError):
        return stream
    if name != "stdin":
        stream.flush()
    atexit.register(ours.end)
    return ours
