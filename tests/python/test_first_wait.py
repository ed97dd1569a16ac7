"""The first wait of a thread makes its Hub, and what it waits for may come just
then: it is not slept over."""

import threading
import time

import grove
import grove.event
import grove.lock
import grove.queue
import pytest
from grove.hub import Hub, set_default_hub_class



def put_elsewhere(channel):
    """Until another thread waits in put()."""
    threading.Thread(target=channel.put, args=(True,)).start()
    while channel.balance < 1:
        time.sleep(0)


WAITS = {
    "Event": (grove.event.Event, lambda o: o.wait(), lambda o: o.set()),
    "AsyncResult": (grove.event.AsyncResult, lambda o: o.get(), lambda o: o.set(True)),
    "Semaphore": (
        lambda: grove.lock.Semaphore(0),
        lambda o: o.acquire(),
        lambda o: o.release(),
    ),
    "Semaphore.wait": (
        lambda: grove.lock.Semaphore(0),
        lambda o: o.wait(),
        lambda o: o.release(),
    ),
    "get": (grove.queue.Queue, lambda o: o.get(), lambda o: o.put(True)),
    "peek": (grove.queue.SimpleQueue, lambda o: o.peek(), lambda o: o.put(True)),
    "put": (
        lambda: grove.queue.Queue(1, [1]),
        lambda o: o.put(True) or True,
        lambda o: o.get(),
    ),
    "Channel": (grove.queue.Channel, lambda o: o.get(), lambda o: put_elsewhere(o)),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_comes_while_the_hub_is_made(name):
    make, wait, come = WAITS[name]
    thing, got = make(), []
    class EventfulHub(Hub):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if threading.get_ident() == thread.ident and not got:
                got.append("made")
                come(thing)

    thread = threading.Thread(target=lambda: got.append(wait(thing)))
    set_default_hub_class(EventfulHub)
    try:
        thread.start()
        thread.join(30)
    finally:
        set_default_hub_class(Hub)
    assert not thread.is_alive() and got == ["made", True]
