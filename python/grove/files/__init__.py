"""Files whose reads and writes let other greenlets run.

    raw.py        the unbuffered file on a descriptor
    opening.py    what io.open does, on top of that
    arguments.py  what a file object is asked for, and what that opens
    objects.py    the classes of grove.fileobject
    standard.py   sys.stdin, stdout and stderr

For grove.fileobject, grove.subprocess and patching.
"""
