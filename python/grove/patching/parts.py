"""The standard modules, one by one.

Of builtins and contextvars nothing is replaced, because nothing has to be.
"""

from grove.patching.module import patch_by_name
from grove.patching.originals import patch_item


def patch_time() -> bool:
    """Make time.sleep cooperative.

    >>> import time
    >>> import grove
    >>> from grove import monkey
    >>> monkey.patch_time()
    True
    >>> time.sleep is grove.sleep
    True
    """
    return patch_by_name("time")


def patch_socket(dns: bool = True, aggressive: bool = True) -> bool:
    """Make the module socket cooperative.

    Args:
        dns: its look-ups of names too (see patch_dns).
        aggressive: remove what could not be made cooperative; on Linux there is
            nothing of the kind.

    >>> import socket
    >>> import grove.socket
    >>> from grove import monkey
    >>> monkey.patch_socket()
    True
    >>> socket.socket is grove.socket.socket
    True
    """
    from grove import socket

    items = [i for i in socket.__implements__ if dns or i not in socket.__dns__]
    return patch_by_name("socket", items)


def patch_dns() -> bool:
    """Make the look-ups of names in the module socket cooperative.

    >>> import socket
    >>> from grove import monkey
    >>> monkey.patch_dns()
    True
    >>> socket.getaddrinfo.__module__
    'grove.socket'
    """
    from grove import socket

    return patch_by_name("socket", socket.__dns__)


def patch_select(aggressive: bool = True) -> bool:
    """Make the module select cooperative, and selectors with it.

    Args:
        aggressive: remove what could not be made cooperative, as gevent does with
            select.epoll; here it is, and on Linux there is nothing else.

    >>> import select
    >>> import grove.select
    >>> from grove import monkey
    >>> monkey.patch_select()
    True
    >>> select.select is grove.select.select
    True
    """
    done = patch_by_name("select")
    return patch_selectors(aggressive) and done


def patch_selectors(aggressive: bool = True) -> bool:
    """Make the module selectors cooperative. For aggressive see patch_select.

    >>> import selectors
    >>> from grove import monkey
    >>> monkey.patch_selectors()
    True
    >>> selectors.DefaultSelector.__module__
    'grove.selectors'
    """
    return patch_by_name("selectors")


def patch_ssl() -> bool:
    """Make the module ssl cooperative.

    >>> import ssl
    >>> from grove import monkey
    >>> monkey.patch_ssl()
    True
    >>> ssl.SSLSocket.__module__
    'grove.ssl'
    """
    return patch_by_name("ssl")


def patch_os() -> bool:
    """Make os.read, os.write and waiting for children cooperative.

    >>> import os
    >>> import grove.os
    >>> from grove import monkey
    >>> monkey.patch_os()
    True
    >>> os.read is grove.os.read
    True
    """
    return patch_by_name("os")


def patch_subprocess() -> bool:
    """Make the module subprocess cooperative.

    >>> import subprocess
    >>> from grove import monkey
    >>> monkey.patch_subprocess()
    True
    >>> subprocess.Popen.__module__
    'grove.subprocess'
    """
    return patch_by_name("subprocess")


def patch_sys(stdin: bool = True, stdout: bool = True, stderr: bool = True) -> None:
    """Let other greenlets run while one waits for a standard stream.

    A stream without a descriptor stays as it is. (gevent's does nothing in
    Python 3.)

    >>> from grove import monkey
    >>> monkey.patch_sys(stdin=False, stderr=False)
    """
    import sys

    from grove.files.standard import standard_stream

    wanted = (("stdin", stdin), ("stdout", stdout), ("stderr", stderr))
    for name in (name for name, is_wanted in wanted if is_wanted):
        patch_item(sys, name, standard_stream(name))


def patch_signal() -> bool:
    """Let a handler of SIGCHLD wait.

    >>> import signal
    >>> import grove.signal
    >>> from grove import monkey
    >>> monkey.patch_signal()
    True
    >>> signal.signal is grove.signal.signal
    True
    """
    return patch_by_name("signal")


# ---- what changes nothing ----------------------------------------------------


def patch_builtins() -> None:
    """Nothing: there is nothing to make cooperative.

    >>> from grove import monkey
    >>> monkey.patch_builtins()
    """


def patch_contextvars() -> None:
    """Nothing: each greenlet has a context of its own.

    >>> from grove import monkey
    >>> monkey.patch_contextvars()
    """
