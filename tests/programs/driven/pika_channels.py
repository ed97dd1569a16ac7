"""pika: its blocking adapter in greenlets, select's and gevent's by callbacks."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import pika  # noqa: E402
from pika.adapters.gevent_connection import GeventConnection  # noqa: E402

parameters = pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), heartbeat=30)


def publish(count: int) -> None:
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare("blocking")
    for n in range(count):
        channel.basic_publish("", "blocking", str(n).encode())
    connection.close()


def consume(count: int) -> int:
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare("blocking")
    channel.basic_qos(prefetch_count=1)
    total = 0
    for method, _, body in channel.consume("blocking"):
        total += int(body)
        channel.basic_ack(method.delivery_tag)
        count -= 1
        if count == 0:
            break
    channel.cancel()
    connection.close()
    return total


# The consumers wait before anything is published.
consumers = [gevent.spawn(consume, 40) for _ in range(5)]
gevent.sleep(0)
gevent.joinall([gevent.spawn(publish, 100) for _ in range(2)], raise_error=True)
gevent.joinall(consumers, raise_error=True)
print("blocking", sum(c.value for c in consumers))


class Caller:
    """Publishes to a queue of its own and consumes it, all by callbacks."""

    def __init__(self, adapter: type, count: int) -> None:
        self.got: list[int] = []
        self._count = count
        self.connection = adapter(
            parameters, on_open_callback=self._opened, on_close_callback=self._closed
        )

    def _opened(self, connection: object) -> None:
        connection.channel(on_open_callback=self._channel_open)

    def _channel_open(self, channel: object) -> None:
        self._channel = channel
        channel.queue_declare("", exclusive=True, callback=self._declared)

    def _declared(self, frame: object) -> None:
        queue = frame.method.queue
        self._channel.basic_consume(queue, self._message, auto_ack=True)
        for n in range(self._count):
            self._channel.basic_publish("", queue, str(n).encode())

    def _message(self, channel, method, properties, body: bytes) -> None:
        self.got.append(int(body))
        if len(self.got) == self._count:
            self.connection.close()

    def _closed(self, connection: object, reason: object) -> None:
        connection.ioloop.stop()


for adapter in (pika.SelectConnection, GeventConnection):
    caller = Caller(adapter, 200)
    ticks = []

    def tick() -> None:
        while not caller.connection.is_closed:
            ticks.append(1)
            gevent.sleep(0.001)

    ticker = gevent.spawn(tick)
    caller.connection.ioloop.start()
    print(adapter.__name__, caller.got == list(range(200)), len(ticks) > 1)
    ticker.kill()
