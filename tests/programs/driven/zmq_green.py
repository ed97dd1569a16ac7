"""zmq.green: sockets of which the greenlets that wait are woken, a poller, a kill."""

import gevent
import zmq.green as zmq

context = zmq.Context()

# Requests that are answered once all have asked.
server = context.socket(zmq.ROUTER)
port = server.bind_to_random_port("tcp://127.0.0.1")


def serve(crowd: int) -> None:
    asked = [server.recv_multipart() for _ in range(crowd)]
    for who, _, body in asked:
        server.send_multipart([who, b"", body * 2])


def ask(n: int) -> int:
    with context.socket(zmq.REQ) as client:
        client.connect(f"tcp://127.0.0.1:{port}")
        client.send(b"%d" % n)
        return len(client.recv())


serving = gevent.spawn(serve, 20)
jobs = [gevent.spawn(ask, n) for n in range(10, 30)]
gevent.joinall(jobs, raise_error=True)
serving.get(30)
print("answered", sum(job.value for job in jobs))

# A pipe with a small queue: senders wait for the receiver.
pull = context.socket(zmq.PULL)
pull.rcvhwm = 5
pull.bind("inproc://pipe")


def push(first: int) -> None:
    with context.socket(zmq.PUSH) as sender:
        sender.sndhwm = 5
        sender.connect("inproc://pipe")
        for n in range(first, first + 100):
            sender.send_json(n)


pushing = [gevent.spawn(push, n) for n in range(0, 1000, 100)]
gevent.sleep(0.01)
print("waiting", sum(not job.ready() for job in pushing))
print("pulled", sum(pull.recv_json() for _ in range(1000)))
gevent.joinall(pushing, raise_error=True)

# A poller waits for several, and others run meanwhile.
poller = zmq.Poller()
one, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
one.bind("inproc://pair")
other.connect("inproc://pair")
poller.register(one, zmq.POLLIN)
poller.register(pull, zmq.POLLIN)
polling = gevent.spawn(poller.poll, 30_000)
gevent.sleep(0)
print("polls", polling.ready())
other.send(b"x")
print("polled", polling.get(30) == [(one, zmq.POLLIN)], one.recv())
print("nothing", poller.poll(20))

with gevent.Timeout(0.02, False):
    one.recv()
    print("never")
try:
    one.recv(zmq.NOBLOCK)
except zmq.Again:
    print("again")

# One that is killed while it waits leaves the socket to others.
killed = gevent.spawn(one.recv)
gevent.sleep(0)
killed.kill()
other.send(b"y")
print("next", one.recv())
for socket in (one, other, pull, server):
    socket.close()
context.term()
print("ended")
