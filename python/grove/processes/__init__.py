"""Child processes: waiting for their end without SIGCHLD, which is left alone.

    waiting.py   until a child, or any, has ended
    workers.py   multiprocessing beside greenlets

For grove.os and grove.subprocess.
"""
