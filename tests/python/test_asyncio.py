"""An asyncio loop inside a greenlet, beside others."""

import asyncio
import selectors as stdlib

import pytest

import grove
from awaiting import HANG
from grove import selectors, server


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
