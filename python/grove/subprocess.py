"""The module subprocess, whose waits let other greenlets run.

Popen is the standard class: processes are started by the standard library's own
compiled part. What is ours is the waiting, in any thread's hub: for a child's end
by a process descriptor, and for its pipes. SIGCHLD is not used, and a child that
the program reaps by itself has the return code that the standard library gives it.
"""

import io
import os
import selectors
import subprocess as _stdlib
from collections.abc import Callable
from math import inf
from time import monotonic as _monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from grove import _core
from grove.event import AsyncResult
from grove.files.opening import open_file
from grove.hub import linkproxy
from grove.processes.waiting import await_end, has_greenlets
from grove.select import poll
from grove.stdlib.mirror import mirror
from grove.stdlib.rebind import rebound
from grove.timeout import Timeout

#: What programs look for in the list of what is patched; see the end of this file.
__implements__ = [
    "CompletedProcess",
    "Popen",
    "call",
    "check_call",
    "check_output",
    "run",
]
__extensions__: list[str] = []
_FUNCTIONS = [
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "run",
]
__imports__ = mirror(_stdlib, globals(), ["Popen", *_FUNCTIONS])
__all__ = [*_stdlib.__all__]

_StdPopen = _stdlib.Popen


class _Selector(selectors.PollSelector):
    """For pipes, and files in their place, which epoll refuses."""

    _selector_cls = poll

    def select(self, timeout: float | None = None) -> Any:
        return super().select(None if timeout == inf else timeout)


#: What the standard class's own methods find by these names.
_popen_names = {
    **vars(_stdlib),
    "io": SimpleNamespace(
        open=open_file, TextIOWrapper=io.TextIOWrapper, text_encoding=io.text_encoding  # type: ignore[attr-defined]
    ),
    "_PopenSelector": _Selector,
}

#: Between two looks at a child that has ended and is being reaped, in seconds.
_REAPING_PAUSE = 0.001


class Popen(_StdPopen):
    """As the standard class.

    Args:
        threadpool: accepted and not used, as gevent's.

    >>> from grove.subprocess import PIPE, Popen
    >>> with Popen(["echo", "hello"], stdout=PIPE) as child:
    ...     child.communicate()
    (b'hello\\n', None)
    """

    def __init__(self, *args: Any, threadpool: Any = None, **kwargs: Any) -> None:
        self._result: Any = None
        _init(self, *args, **kwargs)

    _communicate = rebound(_StdPopen._communicate, _popen_names)  # type: ignore[attr-defined]

    # Its end.

    def _wait(self, timeout: float | None) -> int | None:
        if timeout == inf:
            timeout = None
        if self.returncode is None and timeout is None and not has_greenlets():
            return super()._wait(timeout=None)  # type: ignore[misc]
        deadline = None if timeout is None else _monotonic() + timeout
        while not self._reaped():
            left = None if deadline is None else max(deadline - _monotonic(), 0.0)
            if await_end(self.pid, left):
                if not self._reaped():
                    _core.sleep(_REAPING_PAUSE)  # another thread is at it
            elif not self._reaped():  # it may have ended with the time
                raise _stdlib.TimeoutExpired(self.args, timeout)  # type: ignore[arg-type]
        return self.returncode

    def _reaped(self) -> bool:
        """Whether it has ended, and returncode is there."""
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                pid, status = self._try_wait(os.WNOHANG)  # type: ignore[attr-defined]
                if pid == self.pid:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode is not None

    def _handle_exitstatus(self, sts: int, *names: Any) -> None:
        super()._handle_exitstatus(sts, *names)  # type: ignore[misc]
        _core.child_ended(self.pid, sts)

    def _under(self, timeout: Timeout, wait: Callable, *args: Any) -> Any:
        """wait(*args) at most as long as timeout, which it is, lasts."""
        try:
            with Timeout.start_new(timeout):
                return wait(*args)
        except Timeout as late:
            if late is not timeout:
                raise
        raise _stdlib.TimeoutExpired(self.args, timeout)  # type: ignore[arg-type]

    def wait(
        self, timeout: float | Timeout | None = None, _raise_exc: bool = True
    ) -> Any:
        """Wait for its end; the return code.

        Args:
            timeout: seconds or a Timeout, after which TimeoutExpired is raised.
            _raise_exc: False: None is returned instead.

        >>> from grove.subprocess import Popen
        >>> Popen(["true"]).wait(timeout=60)
        0
        """
        try:
            if isinstance(timeout, Timeout):
                return self._under(timeout, super().wait)
            return super().wait(timeout)
        except _stdlib.TimeoutExpired:
            if _raise_exc:
                raise
            return None

    def communicate(
        self, input: Any = None, timeout: float | Timeout | None = None
    ) -> tuple[Any, Any]:
        """Send input, read all output and wait for the end.

        What was read before TimeoutExpired, or any other exception that comes
        meanwhile, the next call returns too.

        >>> from grove.subprocess import PIPE, Popen
        >>> cat = Popen(["cat"], stdin=PIPE, stdout=PIPE, text=True)
        >>> cat.communicate("hello")
        ('hello', None)
        """
        if isinstance(timeout, Timeout):
            return self._under(timeout, self.communicate, input)
        if timeout is None and (self.stdout or self.stderr):
            # The standard class's short way for a single pipe keeps nothing.
            timeout = inf
        return super().communicate(input, timeout)

    # As gevent has it.

    @property
    def result(self) -> AsyncResult:
        """The return code, once the process has ended."""
        if self._result is None:
            self._result = AsyncResult()
            _core.spawn_raw(self._tell_result)
        return self._result

    def _tell_result(self) -> None:
        self._result.set(self._wait(None))

    def rawlink(self, callback: Callable[["Popen"], object]) -> None:
        """Have the hub call callback(self) when the process has ended.

        >>> import grove
        >>> from grove.subprocess import Popen
        >>> true = Popen(["true"])
        >>> true.rawlink(lambda ended: print("ended:", ended.returncode))
        >>> grove.wait()
        ended: 0
        True
        """
        self.result.rawlink(linkproxy(callback, self))

    link = rawlink


_init = rebound(_StdPopen.__init__, _popen_names)

# ---- functions of the standard module, on the class above ------------------

for _name in _FUNCTIONS:
    globals()[_name] = rebound(getattr(_stdlib, _name), globals())
del _name


def _gevent_do_monkey_patch(request: Any) -> None:
    """The standard module's functions stay, and are patched by what they call: by
    the name Popen what is there, so that whoever puts another class there is obeyed.
    """
    for item in request.items:
        ours = item == "Popen"
        request.patch_item(
            request.target_module,
            item,
            getattr(request.source_module if ours else request.target_module, item),
        )

if TYPE_CHECKING:  # what is mirrored; the names above stay ours, as it remarks
    from subprocess import *  # type: ignore
