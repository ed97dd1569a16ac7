"""Native threads that work for greenlets.

    workers.py   threads that run tasks from a queue
    offload.py   one blocking call on such a thread, while greenlets go on

For grove.threadpool, and for look-ups in grove.socket. Everything here is of
the real threads, whatever is patched.
"""
