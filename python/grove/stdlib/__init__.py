"""Standard modules: what ours of the same names are made of.

    natives.py   what native threads are made of, whatever is patched
    mirror.py    the names that are taken over as they are
    rebind.py    functions that are taken over on our globals

For the modules that replace a standard one: socket, ssl, select, selectors, time,
thread. And natives.py for whatever starts or locks native threads.
"""
