"""The Hub: what its compiled part leaves to Python.

    attributes.py   attributes that are computed when they are read
    ident.py        small numbers for greenlets and hubs
    hub.py          the class Hub
    fork.py         forking
    signals.py      greenlets that signals start

For grove.hub and for the package itself.
"""
