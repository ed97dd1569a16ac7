"""Standard modules: what ours of the same names are made of.

    natives.py   what native threads are made of, whatever is patched
    handles.py   how a Thread refers to what runs it
    mirror.py    the names that are taken over as they are
    rebind.py    functions that are taken over on our globals

For the modules that replace a standard one: socket, ssl, select, selectors, time,
thread, threading. And natives.py for whatever starts or locks native threads.
"""
