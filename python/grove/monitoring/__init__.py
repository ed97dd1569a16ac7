"""Looking at a running program.

    frames.py     what looks like a frame, for where a Greenlet was made
    tree.py       who has spawned whom
    run_info.py   threads and greenlets, told in lines
    tracer.py     how long greenlets run before they let others
    thread.py     the native thread that watches a hub

For grove.util and for the Hub, which starts the thread.
"""
