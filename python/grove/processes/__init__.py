"""Child processes: waiting for their end without SIGCHLD, which is left alone.

    waiting.py   until a child, or any, has ended

For grove.os and grove.subprocess.
"""
