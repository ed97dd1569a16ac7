from collections.abc import Callable, Iterable
from sys import getswitchinterval as getswitchinterval
from sys import setswitchinterval as setswitchinterval
from typing import Any, NamedTuple

from grove import greenlet as greenlet
from grove import hub as hub
from grove import os as os
from grove import timeout as timeout
from grove.greenlet import Greenlet as Greenlet
from grove.greenlet import GreenletExit as GreenletExit
from grove.greenlet import getcurrent as getcurrent
from grove.greenlet import joinall as joinall
from grove.greenlet import killall as killall
from grove.hub import get_hub as get_hub
from grove.hub import idle as idle
from grove.hub import iwait as iwait
from grove.hub import kill as kill
from grove.hub import reinit as reinit
from grove.hub import sleep as sleep
from grove.hub import spawn_raw as spawn_raw
from grove.hub import wait as wait
from grove.hubs.fork import fork as fork
from grove.hubs.signals import signal_handler as signal_handler
from grove.names.aliases import install_as_gevent as install_as_gevent
from grove.names.aliases import install_as_greenlet as install_as_greenlet
from grove.settings.config import config as config
from grove.timeout import Timeout as Timeout
from grove.timeout import with_timeout as with_timeout

__all__ = [
    "Greenlet",
    "GreenletExit",
    "Timeout",
    "config",
    "fork",
    "get_hub",
    "getcurrent",
    "getswitchinterval",
    "idle",
    "install_as_gevent",
    "install_as_greenlet",
    "iwait",
    "joinall",
    "kill",
    "killall",
    "metrics",
    "reinit",
    "setswitchinterval",
    "signal_handler",
    "sleep",
    "spawn",
    "spawn_later",
    "spawn_raw",
    "stack_size",
    "wait",
    "with_timeout",
]

class _VersionInfo(NamedTuple):
    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int

__version__: str
version_info: _VersionInfo
grove_version: str

def metrics() -> str: ...
def spawn(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Greenlet: ...
def spawn_later(
    seconds: float, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Greenlet: ...
def stack_size(size: int = ..., /) -> int: ...
