"""Patching: what grove.monkey does.

    warning.py     warnings, which show the line of who patches
    originals.py   what was replaced, and replacing a name
    module.py      replacing the names of one module
    parts.py       the standard modules, one by one
    threads.py     those of threads and queues
    existing_locks.py    locks that there are when threads are patched
    running_threads.py   threads that run then, at the end and at a fork
    libc.py        libc's own calls, which C libraries wait in
    whole.py       patch_all
    command.py     python -m grove.monkey

For grove.monkey, which programs import.
"""
