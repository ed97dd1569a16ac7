"""zmq.green: REQ and REP in turn, PUB and SUB, and one that polls them all, while
other greenlets run."""

import gevent
import zmq.green as zmq

context = zmq.Context()
ticks = 0


def tick() -> None:
    global ticks
    while True:
        gevent.sleep(0)
        ticks += 1


ticking = gevent.spawn(tick)

# Each of ten has its own server, and they take turns.
ROUNDS = 100


def serve(server: zmq.Socket) -> None:
    for _ in range(ROUNDS):
        server.send_pyobj(server.recv_pyobj() + 1)


def ask(port: int) -> int:
    with context.socket(zmq.REQ) as client:
        client.connect(f"tcp://127.0.0.1:{port}")
        number = 0
        for _ in range(ROUNDS):
            client.send_pyobj(number)
            number = client.recv_pyobj()
    return number


servers = [context.socket(zmq.REP) for _ in range(10)]
ports = [server.bind_to_random_port("tcp://127.0.0.1") for server in servers]
serving = [gevent.spawn(serve, server) for server in servers]
asking = [gevent.spawn(ask, port) for port in ports]
gevent.joinall([*serving, *asking], raise_error=True)
print("asked", sum(job.value for job in asking))

# Five that listen, each to one of two topics; XPUB tells when they are there.
publisher = context.socket(zmq.XPUB)
publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
port = publisher.bind_to_random_port("tcp://127.0.0.1")


def listen(topic: bytes) -> list[int]:
    got = []
    with context.socket(zmq.SUB) as subscriber:
        subscriber.connect(f"tcp://127.0.0.1:{port}")
        subscriber.subscribe(topic)
        poller = zmq.Poller()
        poller.register(subscriber, zmq.POLLIN)
        while dict(poller.poll(30_000)).get(subscriber) == zmq.POLLIN:
            _, number = subscriber.recv_multipart()
            if number == b"end":
                return got
            got.append(int(number))
    return got


listening = [gevent.spawn(listen, topic) for topic in [b"odd", b"even"] * 5]
subscribed = [publisher.recv() for _ in listening]
print("subscribed", sorted(set(subscribed)))
for number in range(100):
    publisher.send_multipart([b"odd" if number % 2 else b"even", b"%d" % number])
for topic in (b"odd", b"even"):
    publisher.send_multipart([topic, b"end"])
gevent.joinall(listening, raise_error=True)
print("heard", [sum(job.value) for job in listening] == [2500, 2450] * 5)

ticking.kill()
print("ticked", ticks > 100)
for socket in (*servers, publisher):
    socket.close()
context.term()
