"""The compiled gevent that is installed, on our greenlet: its hub, pools, locks,
sockets, threads and patches."""

import gc

import grove

grove.install_as_greenlet()

from gevent import monkey  # noqa: E402

monkey.patch_all()

import http.server  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import urllib.request  # noqa: E402

import gevent  # noqa: E402
import gevent._gevent_cgreenlet  # noqa: E402
import gevent.event  # noqa: E402
import gevent.lock  # noqa: E402
import gevent.pool  # noqa: E402
import gevent.queue  # noqa: E402
import gevent.server  # noqa: E402

assert gevent is not grove
assert gevent.Greenlet is gevent._gevent_cgreenlet.Greenlet
assert gevent.Greenlet.__mro__[1] is grove._core.greenlet
assert gevent._gevent_cgreenlet.__file__.endswith(".so")
print(gevent.get_hub())


def echo(n):
    gevent.sleep(0.0001 * (n % 7))
    return n


pool = gevent.pool.Pool(10)
print("pool", sum(pool.map(echo, range(500))))
print("unordered", sum(pool.imap_unordered(echo, range(500))))

queue, done = gevent.queue.Queue(maxsize=3), gevent.event.Event()
results = []


def consume():
    for item in queue:
        results.append(item)
    done.set()


gevent.spawn(consume)
for n in range(100):
    queue.put(n)
queue.put(StopIteration)
done.wait()
print("queue", sum(results))

semaphore, most, inside = gevent.lock.Semaphore(3), 0, 0


def work():
    global most, inside
    with semaphore:
        inside += 1
        most = max(most, inside)
        gevent.sleep(0)
        inside -= 1


gevent.joinall([gevent.spawn(work) for _ in range(50)], raise_error=True)
print("semaphore", most)


def serve(sock, address):
    while data := sock.recv(1024):
        sock.sendall(data)


server = gevent.server.StreamServer(("127.0.0.1", 0), serve)
server.start()


def client(n):
    with socket.create_connection(("127.0.0.1", server.server_port)) as sock:
        for i in range(5):
            sock.sendall(b"%d" % (n * i))
            assert sock.recv(100) == b"%d" % (n * i)
    return n


print("sockets", sum(g.get() for g in [gevent.spawn(client, n) for n in range(50)]))
server.stop()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.001)  # patched: the others are answered meanwhile
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *arguments):
        pass


site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=site.serve_forever).start()


def fetch(n):
    url = f"http://127.0.0.1:{site.server_port}/{n}"
    return len(urllib.request.urlopen(url).read())


print("pages", sum(g.get() for g in [gevent.spawn(fetch, n) for n in range(20)]))
site.shutdown()
site.server_close()

sleeper = gevent.spawn(gevent.sleep, 100)
gevent.sleep(0)
sleeper.kill()
print("killed", sleeper.dead, repr(sleeper.value))
try:
    with gevent.Timeout(0.001):
        gevent.sleep(100)
except gevent.Timeout as timeout:
    print("timeout", timeout.seconds)


def fail():
    raise KeyError("failed")


failed = gevent.spawn(fail)
try:
    failed.get()
except KeyError as error:
    print("error", error)

print("threadpool", gevent.get_hub().threadpool.apply(sum, ([1, 2, 3],)))
print("process", subprocess.check_output(["echo", "spoken"], text=True).strip())


def native():
    """A thread of its own with a hub of its own."""
    from gevent import get_hub, joinall, spawn

    before = get_hub()
    jobs = [spawn(echo, n) for n in range(20)]
    joinall(jobs)
    before.destroy()
    return sum(job.value for job in jobs)


print("thread", gevent.get_hub().threadpool.apply(native))
gevent.get_hub().threadpool.kill()
gc.collect()
print("end")
