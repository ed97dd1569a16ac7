"""Green threads: blocking code run concurrently on one thread.

The package has gevent's module names and behaviour. A program written for
gevent runs on it as it is: `python -m grove app.py`, or, within a program,
`grove.install_as_gevent()` before it imports gevent.
"""

from sys import getswitchinterval, setswitchinterval

try:
    from grove._core import _check_interpreter
except ModuleNotFoundError as error:
    if error.name != "grove._core":
        raise
    from grove.names.unbuilt import reason

    raise ImportError(reason(), name=error.name) from None

_check_interpreter()

from grove._core import (  # noqa: E402
    Greenlet,
    GreenletExit,
    Timeout,
    get_hub,
    getcurrent,
    iwait,
    joinall,
    kill,
    killall,
    metrics,
    sleep,
    spawn,
    spawn_later,
    spawn_raw,
    stack_size,
    wait,
    with_timeout,
)
from grove import greenlet, hub, os, timeout  # noqa: E402
from grove.hub import idle, reinit  # noqa: E402
from grove.hubs.fork import fork  # noqa: E402
from grove.hubs.signals import signal_handler  # noqa: E402
from grove.names.aliases import (  # noqa: E402
    install_as_gevent,
    install_as_greenlet,
)
from grove.names.versions import (  # noqa: E402
    __version__,
    grove_version,
    version_info,
)
from grove.settings.config import config  # noqa: E402

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
