"""Waiting for one another: what the compiled classes leave to Python.

    linkable.py      the protocol of links, by name
    waiter.py        a Waiter of several values
    awaited.py       await greenlet, in a coroutine of asyncio
    timer.py         Timeout.timer, made by the compiled Timeout
    late.py          wait_read and its like under a Timeout
    queue_locks.py   the mutex and conditions of a Queue, for those who use them
    imap.py          the results of concurrent calls, as they come

For the modules of gevent's names: queue, pool, timeout.
"""
