"""kombu, over AMQP and over Redis: producers and consumers in greenlets."""

import sys

from gevent import monkey

monkey.patch_all()

import socket  # noqa: E402

import gevent  # noqa: E402
from kombu import Connection, Consumer, Exchange, Queue  # noqa: E402
from kombu.pools import producers  # noqa: E402

address = sys.argv[1]
exchange = Exchange("kombu", type="direct")
queue = Queue("kombu", exchange, routing_key="kombu")
done = []


def consume() -> None:
    def got(body: dict, message: object) -> None:
        done.append(body["n"])
        message.ack()

    with Connection(address) as connection:
        with Consumer(connection, queue, callbacks=[got], prefetch_count=10):
            while len(done) < 300:
                try:
                    connection.drain_events(timeout=0.2)
                except socket.timeout:
                    pass


def produce(first: int) -> None:
    with producers[shared].acquire(block=True) as producer:
        for n in range(first, first + 30):
            producer.publish(
                {"n": n}, exchange=exchange, routing_key="kombu", declare=[queue]
            )


shared = Connection(address)
consumers = [gevent.spawn(consume) for _ in range(4)]
jobs = [gevent.spawn(produce, n) for n in range(0, 300, 30)]
gevent.joinall(jobs + consumers, raise_error=True)
print("got", len(done), sorted(done) == list(range(300)))

with Connection(address) as connection:
    simple = connection.SimpleQueue("simple")
    simple.put("text")
    message = simple.get(timeout=30)
    message.ack()
    print("simple", message.payload)
    try:
        simple.get(timeout=0.05)
    except simple.Empty:
        print("empty")
    simple.close()
shared.release()
