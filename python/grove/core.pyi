from collections.abc import Callable
from time import time as time
from typing import Any, final

from typing_extensions import Self

__all__ = [
    "READ",
    "WRITE",
    "READWRITE",
    "callback",
    "embeddable_backends",
    "get_header_version",
    "get_version",
    "loop",
    "recommended_backends",
    "set_syserr_cb",
    "supported_backends",
    "time",
]

UNDEF: int
NONE: int
READ: int
WRITE: int
READWRITE: int
TIMER: int
PERIODIC: int
SIGNAL: int
CHILD: int
STAT: int
IDLE: int
PREPARE: int
CHECK: int
EMBED: int
FORK: int
CLEANUP: int
ASYNC: int
CUSTOM: int
ERROR: int
EVENTS: int
MAXPRI: int
MINPRI: int
BACKEND_SELECT: int
BACKEND_POLL: int
BACKEND_EPOLL: int
BACKEND_KQUEUE: int
BACKEND_DEVPOLL: int
BACKEND_PORT: int
BACKEND_LINUXAIO: int
BACKEND_IOURING: int
FORKCHECK: int
NOINOTIFY: int
SIGNALFD: int
NOSIGMASK: int
LIBEV_EMBED: bool

@final
class callback:
    @property
    def callback(self) -> Callable[..., object] | None: ...
    @property
    def args(self) -> tuple[Any, ...] | None: ...
    @property
    def pending(self) -> bool: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def __bool__(self) -> bool: ...

class watcher:
    ref: bool
    priority: int
    callback: Callable[..., object] | None
    args: tuple[Any, ...] | None
    @property
    def loop(self) -> loop: ...
    @property
    def active(self) -> bool: ...
    @property
    def pending(self) -> bool: ...
    def start(self, callback: Callable[..., object], /, *args: Any) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def feed(
        self, revents: int, callback: Callable[..., object], /, *args: Any
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...

class io(watcher):
    fd: int
    events: int
    def __new__(
        cls,
        loop: loop,
        fd: int,
        events: int,
        ref: bool = True,
        priority: int | None = None,
    ) -> Self: ...
    @property
    def events_str(self) -> str: ...
    def start(
        self,
        callback: Callable[..., object],
        /,
        *args: Any,
        pass_events: bool = False,
    ) -> None: ...

class timer(watcher):
    def __new__(
        cls,
        loop: loop,
        after: float = 0.0,
        repeat: float = 0.0,
        ref: bool = True,
        priority: int | None = None,
    ) -> Self: ...
    @property
    def at(self) -> float: ...
    def start(
        self, callback: Callable[..., object], /, *args: Any, update: Any = None
    ) -> None: ...
    def again(
        self, callback: Callable[..., object], /, *args: Any, update: Any = True
    ) -> None: ...

class signal(watcher):
    def __new__(
        cls, loop: loop, signalnum: int, ref: bool = True, priority: int | None = None
    ) -> Self: ...

class idle(watcher):
    def __new__(
        cls, loop: loop, ref: bool = True, priority: int | None = None
    ) -> Self: ...

class prepare(watcher):
    def __new__(
        cls, loop: loop, ref: bool = True, priority: int | None = None
    ) -> Self: ...

class check(watcher):
    def __new__(
        cls, loop: loop, ref: bool = True, priority: int | None = None
    ) -> Self: ...

class fork(watcher):
    def __new__(
        cls, loop: loop, ref: bool = True, priority: int | None = None
    ) -> Self: ...

class async_(watcher):
    def __new__(
        cls, loop: loop, ref: bool = True, priority: int | None = None
    ) -> Self: ...
    def send(self) -> None: ...
    def send_ignoring_arg(self, ignored: object, /) -> None: ...

class child(watcher):
    rpid: int
    rstatus: int
    def __new__(
        cls,
        loop: loop,
        pid: int,
        trace: int = 0,
        ref: bool = True,
        priority: int | None = None,
    ) -> Self: ...
    @property
    def pid(self) -> int: ...

class stat(watcher):
    def __new__(
        cls,
        loop: loop,
        path: Any,
        interval: float = 0.0,
        ref: bool = True,
        priority: int | None = None,
    ) -> Self: ...
    @property
    def path(self) -> str: ...
    @property
    def attr(self) -> Any: ...
    @property
    def prev(self) -> Any: ...
    @property
    def interval(self) -> float: ...

@final
class loop:
    MAXPRI: int
    MINPRI: int
    CALLBACK_CHECK_COUNT: int
    approx_timer_resolution: float
    starting_timer_may_update_loop_time: bool
    WatcherType: type[watcher]
    error_handler: Any
    def __new__(cls, flags: Any = None, default: bool | None = None) -> Self: ...
    @property
    def default(self) -> bool: ...
    @property
    def backend(self) -> str: ...
    @property
    def backend_int(self) -> int: ...
    @property
    def origflags(self) -> list[Any]: ...
    @property
    def origflags_int(self) -> int: ...
    @property
    def sig_pending(self) -> int: ...
    @property
    def iteration(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def pendingcnt(self) -> int: ...
    @property
    def activecnt(self) -> int: ...
    @property
    def ptr(self) -> int: ...
    def run_callback(
        self, function: Callable[..., object], /, *args: Any
    ) -> callback: ...
    def run_callback_threadsafe(
        self, function: Callable[..., object], /, *args: Any
    ) -> callback: ...
    def io(
        self, fd: int, events: int, ref: bool = True, priority: int | None = None
    ) -> io: ...
    def timer(
        self,
        after: float,
        repeat: float = 0.0,
        ref: bool = True,
        priority: int | None = None,
    ) -> timer: ...
    def signal(
        self, signalnum: int, ref: bool = True, priority: int | None = None
    ) -> signal: ...
    def idle(self, ref: bool = True, priority: int | None = None) -> idle: ...
    def prepare(self, ref: bool = True, priority: int | None = None) -> prepare: ...
    def check(self, ref: bool = True, priority: int | None = None) -> check: ...
    def fork(self, ref: bool = True, priority: int | None = None) -> fork: ...
    def async_(self, ref: bool = True, priority: int | None = None) -> async_: ...
    def child(
        self,
        pid: int,
        trace: int = 0,
        ref: bool = True,
        priority: int | None = None,
    ) -> child: ...
    def stat(
        self,
        path: Any,
        interval: float = 0.0,
        ref: bool = True,
        priority: int | None = None,
    ) -> stat: ...
    def now(self) -> float: ...
    def update_now(self) -> None: ...
    def update(self) -> None: ...
    def reinit(self) -> None: ...
    def install_sigchld(self) -> None: ...
    def reset_sigchld(self) -> None: ...
    def ref(self) -> None: ...
    def unref(self) -> None: ...
    def run(self, nowait: bool = False, once: bool = False) -> Any: ...
    def break_(self, how: Any = ..., /) -> None: ...
    def destroy(self) -> bool: ...
    def closing_fd(self, fd: int, /) -> bool: ...
    def handle_error(
        self, context: Any, kind: Any, value: Any, tb: Any, /
    ) -> None: ...
    def fileno(self) -> int: ...
    def verify(self) -> None: ...

def get_version() -> str: ...
def get_header_version() -> str: ...
def supported_backends() -> list[str]: ...
def recommended_backends() -> list[str]: ...
def embeddable_backends() -> list[str]: ...
def set_syserr_cb(callback: object) -> None: ...
