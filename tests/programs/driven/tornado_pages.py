"""Tornado's server and client in the main greenlet, and greenlets beside its loop."""

from gevent import monkey

monkey.patch_all()

import asyncio  # noqa: E402
import logging  # noqa: E402
import urllib.request  # noqa: E402

import gevent  # noqa: E402
import tornado.httpclient  # noqa: E402
import tornado.httpserver  # noqa: E402
import tornado.ioloop  # noqa: E402
import tornado.netutil  # noqa: E402
import tornado.web  # noqa: E402
import tornado.websocket  # noqa: E402

logging.getLogger("tornado.access").disabled = True  # a page that is missing
CROWD = 20  # that are answered once all are there: half of them greenlets
here = 0
all_here = asyncio.Event()


class Together(tornado.web.RequestHandler):
    async def get(self) -> None:
        global here
        here += 1
        if here == CROWD:
            all_here.set()
        await all_here.wait()
        self.write("together")


class Echo(tornado.web.RequestHandler):
    def post(self) -> None:
        self.write(self.request.body)


class Talk(tornado.websocket.WebSocketHandler):
    async def on_message(self, message: str) -> None:
        await asyncio.sleep(0.01)
        self.write_message(message * 2)


def ask(port: int) -> str:
    """By a greenlet, whose socket is a patched one."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/together") as answer:
        return answer.read().decode()


async def talk(port: int) -> list[str]:
    line = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{port}/talk")
    answers = []
    for n in range(10):
        await line.write_message(str(n))
        answers.append(await line.read_message())
    line.close()
    return answers


async def main() -> None:
    pages = [("/together", Together), ("/echo", Echo), ("/talk", Talk)]
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(tornado.web.Application(pages))
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    client = tornado.httpclient.AsyncHTTPClient(max_clients=CROWD)

    greenlets = [gevent.spawn(ask, port) for _ in range(CROWD // 2)]
    url = f"http://127.0.0.1:{port}"
    asked = [client.fetch(f"{url}/together") for _ in range(CROWD // 2)]
    answers = [answer.body.decode() for answer in await asyncio.gather(*asked)]
    while not all(greenlet.ready() for greenlet in greenlets):
        await asyncio.sleep(0.01)
    answers += [greenlet.get() for greenlet in greenlets]
    print("together", answers.count("together"))

    body = b"x" * 1_000_000
    echoed = await client.fetch(f"{url}/echo", method="POST", body=body)
    print("echoed", echoed.body == body)
    print("talked", await talk(port))
    try:
        await client.fetch(f"{url}/missing")
    except tornado.httpclient.HTTPClientError as error:
        print("refused", error.code)
    server.stop()
    await server.close_all_connections()


ticks = 0


def tick() -> None:
    global ticks
    while True:
        gevent.sleep(0.001)
        ticks += 1


ticking = gevent.spawn(tick)
tornado.ioloop.IOLoop.current().run_sync(main)
ticking.kill()
print("ticked", ticks > 10)
