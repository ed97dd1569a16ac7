"""gevent's private modules that programs import: `gevent._util` is util.py.

    compat.py       what gevent asks of the interpreter
    interfaces.py   loops and watchers as zope.interface tells of them
    tblib.py        tracebacks as values
    threading.py    native threads, whatever was patched
    util.py         small tools

For programs alone: nothing here imports them. The table in names/aliases.py says
which module stands for which of gevent's; for some that is one of another room.
"""
