"""Resolvers: who looks names up for the module socket.

    abstract.py   what all have in common
    thread.py     libc's functions, on native threads: the default
    ares.py       the runtime's own, by c-ares in the hub's loop
    dnspython.py  dnspython's, whose sockets wait as greenlets do
    blocking.py   libc's functions, which everybody waits for

The setting `resolver`, or GEVENT_RESOLVER in the environment, says which: thread,
ares, dnspython, block, or where a class is. Each hub makes one of it, Hub.resolver,
when a name is first looked up; another may be put there. The module socket asks it
for names only: addresses in numbers need no resolver.

For hubs, which make one, and for programs that have one of their own.
"""

from grove.resolver.abstract import AbstractResolver

__all__ = ["AbstractResolver"]
