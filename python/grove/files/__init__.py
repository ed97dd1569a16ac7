"""Files whose reads and writes let other greenlets run.

    raw.py      the unbuffered file on a descriptor
    opening.py  what io.open does, on top of that

For grove.fileobject and grove.subprocess.
"""
