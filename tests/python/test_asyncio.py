"""An asyncio loop inside a greenlet, beside others."""

import asyncio
import selectors as stdlib
import threading

import pytest

import grove
from awaiting import HANG
from grove import event, selectors, server


@pytest.fixture
def patched_asyncio(monkeypatch):
    """asyncio as after patch_all(): on selectors that let others run."""
    monkeypatch.setattr(stdlib, "DefaultSelector", selectors.DefaultSelector)


def test_a_loop_that_never_rests_lets_others_run(patched_asyncio):
    turns = []

    async def work():
        while len(turns) < 100:
            await asyncio.sleep(0)

    def count():
        for _ in range(100):
            turns.append(1)
            grove.sleep(0)

    counting = grove.spawn(count)
    grove.spawn(asyncio.run, work()).get(timeout=HANG)
    counting.get()


def test_a_loop_and_a_server_of_greenlets(patched_asyncio):
    def echo(sock, address):
        sock.sendall(sock.recv(100))

    async def ask(port, text):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text)
        try:
            return await asyncio.wait_for(reader.readexactly(len(text)), HANG)
        finally:
            writer.close()

    async def ask_often(port, texts):
        return await asyncio.gather(*(ask(port, text) for text in texts))

    texts = [b"%d" % i for i in range(20)]
    echoing = server.StreamServer(("127.0.0.1", 0), echo)
    echoing.start()
    try:
        asking = grove.spawn(asyncio.run, ask_often(echoing.server_port, texts))
        assert asking.get(timeout=HANG) == texts
    finally:
        echoing.stop()


# ---- await greenlet ----------------------------------------------------------


async def awaiting(greenlet):
    return await greenlet


@pytest.fixture
def run(patched_asyncio):
    """Run a coroutine to its end, in a greenlet of its own."""
    return lambda coroutine: grove.spawn(asyncio.run, coroutine).get(timeout=HANG)


def test_a_greenlet_that_goes_on(run):
    gate = event.Event()
    greenlet = grove.spawn(lambda: gate.wait() and "value")
    grove.spawn(gate.set)
    assert run(awaiting(greenlet)) == "value"


def test_greenlets_that_have_ended(run):
    ended, killed, failed = (grove.spawn(f) for f in (int, grove.sleep, "".index))
    failed.args = ("x",)
    killed.kill()
    grove.joinall([ended, failed])
    assert run(awaiting(ended)) == 0
    assert isinstance(run(awaiting(killed)), grove.GreenletExit)
    with pytest.raises(ValueError, match="substring not found"):
        run(awaiting(failed))


def test_several_await_one(run):
    gate = event.Event()
    greenlet = grove.spawn(gate.wait)

    async def all_of_them():
        asyncio.get_running_loop().call_soon(gate.set)
        return await asyncio.gather(*(awaiting(greenlet) for _ in range(3)))

    assert run(all_of_them()) == [True] * 3


def test_who_is_cancelled_leaves_the_greenlet_alone(run):
    gate = event.Event()
    greenlet = grove.spawn(gate.wait)

    async def give_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(awaiting(greenlet), 0.001)

    run(give_up())
    assert not greenlet.ready() and not greenlet.has_links()
    gate.set()
    assert greenlet.get(timeout=HANG) is True


def test_a_loop_that_is_not_patched_runs_no_greenlets():
    greenlet = grove.spawn(int)

    async def give_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(awaiting(greenlet), 0.05)

    asyncio.run(give_up())
    assert not greenlet.ready()
    assert greenlet.get(timeout=HANG) == 0


def test_a_greenlet_of_another_thread(run):
    gate = event.Event()
    greenlet = grove.spawn(gate.wait)
    awaited = []
    thread = threading.Thread(
        target=lambda: awaited.append(asyncio.run(awaiting(greenlet)))
    )
    thread.start()
    while not greenlet.has_links():
        grove.sleep(0)
    gate.set()
    while thread.is_alive():
        grove.sleep(0)
    assert awaited == [True]
