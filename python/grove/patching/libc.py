"""libc's own calls: what C libraries wait in, with no code of theirs changed.

Where everything else is patched in Python, this is patched in the process: the
slots by which loaded objects call libc, now and when objects are loaded later.
"""

import os

from grove import _core
from grove.patching.originals import saved

__all__ = ["is_wanted_by_default", "patch_libc", "unpatch_libc"]

#: What `saved` and is_module_patched know it by.
NAME = "libc"

_watches_forks = False


def is_wanted_by_default() -> bool:
    """Whether the environment asks for it: GROVE_LIBC is set, to something else
    than nothing, 0, no, off or false."""
    return os.environ.get("GROVE_LIBC", "").lower() not in ("", "0", "no", "off", "false")


def patch_libc() -> bool:
    """Have C libraries let other greenlets run while they wait.

    The blocking calls of libc, in whatever is loaded into the process or will be,
    park the greenlet instead of the thread: of drivers of databases as psycopg2
    and mysqlclient, of pycurl, of what is called by ctypes. Threads without a Hub
    go on as they did. `grove_patch_all(3)` and docs/libc.md tell of each call.

    Returns True; again is as good as once. Raises OSError (ENOSYS) where libc is
    not glibc or the machine not x86-64, ImportError when libgrove-patch, a
    library of this package, is not there.

    >>> from grove import monkey
    >>> monkey.patch_libc()
    True
    >>> monkey.unpatch_libc()
    True
    """
    global _watches_forks
    _core._libc_patch()
    if not _watches_forks:
        os.register_at_fork(after_in_child=_core._libc_after_fork)
        _watches_forks = True
    saved.setdefault(NAME, {})
    return True


def unpatch_libc() -> bool:
    """Undo patch_libc: C libraries hold up the thread again.

    A call under way ends as it has begun. Returns whether there was anything to
    undo. Raises OSError when memory cannot be made writable: then all is as it
    was.

    >>> from grove import monkey
    >>> monkey.unpatch_libc()
    False
    >>> monkey.patch_libc()
    True
    >>> monkey.unpatch_libc()
    True
    """
    _core._libc_unpatch()
    return saved.pop(NAME, None) is not None
