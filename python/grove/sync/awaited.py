"""Awaiting a Greenlet in a coroutine of asyncio."""

import asyncio
from collections.abc import Generator
from typing import Any

from grove._core import Greenlet


def awaited(greenlet: Greenlet) -> Generator[Any, None, Any]:
    """What `await greenlet` goes through: its value, or its exception, as of get().

    The loop may run in any greenlet of any thread. A coroutine that is cancelled
    no longer waits; the greenlet goes on, as it does when who joins it is killed.
    """
    return _outcome(greenlet).__await__()


async def _outcome(greenlet: Greenlet) -> Any:
    if not greenlet.ready():
        await _end(greenlet)
    return greenlet.get(block=False)


async def _end(greenlet: Greenlet) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def pass_on() -> None:
        if not ended.done():
            ended.set_result(None)

    def tell(_: Greenlet) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pass_on)

    greenlet.rawlink(tell)
    try:
        await ended
    finally:
        greenlet.unlink(tell)
