"""The standard library's servers and clients, all in one process: each greenlet's
request is answered by a thread, which is a greenlet as well."""

from gevent import monkey

monkey.patch_all()

import http.client  # noqa: E402
import http.server  # noqa: E402
import socket  # noqa: E402
import socketserver  # noqa: E402
import threading  # noqa: E402
import urllib.request  # noqa: E402
import xmlrpc.client  # noqa: E402
import xmlrpc.server  # noqa: E402

import gevent  # noqa: E402

CROWD = 10
HERE = ("127.0.0.1", 0)
barrier = threading.Barrier(CROWD)


class Serving:
    """While a thread serves."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,))

    def __enter__(self) -> int:
        self._thread.start()
        return self._server.server_address[1]

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def crowd(function: object, *arguments: object) -> list:
    jobs = [gevent.spawn(function, n, *arguments) for n in range(CROWD)]
    gevent.joinall(jobs, raise_error=True)
    return [job.value for job in jobs]


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        barrier.wait(30)
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


def page(n: int, port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{n}", timeout=30) as answer:
        return int(answer.read()[1:])


def kept(n: int, port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    total = 0
    for turn in range(3):
        connection.request("GET", f"/{n}")
        total += int(connection.getresponse().read()[1:])
    connection.close()
    return total


class Pages(http.server.ThreadingHTTPServer):
    request_queue_size = CROWD


with Serving(Pages(HERE, Page)) as port:
    print("http", sum(crowd(page, port)), sum(crowd(kept, port)))


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            barrier.wait(30)
            self.wfile.write(line.upper())


class Threading(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = CROWD


def speak(n: int, port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        file = sock.makefile("rw")
        said = ""
        for word in ("a", "b"):
            file.write(f"{word}{n}\n")
            file.flush()
            said += file.readline().strip()
        return said


with Serving(Threading(HERE, Echo)) as port:
    print("tcp", crowd(speak, port) == [f"A{n}B{n}" for n in range(CROWD)])


class Datagram(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.read() * 2)


def datagram(n: int, port: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(b"%d" % n, ("127.0.0.1", port))
        return sock.recv(100)


with Serving(socketserver.ThreadingUDPServer(HERE, Datagram)) as port:
    print("udp", crowd(datagram, port) == [b"%d%d" % (n, n) for n in range(CROWD)])


class Methods(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    daemon_threads = True
    request_queue_size = CROWD


def call(n: int, port: int) -> int:
    with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}") as proxy:
        return proxy.meet(n)


def meet(n: int) -> int:
    barrier.wait(30)
    return n * n


methods = Methods(HERE, logRequests=False)
methods.register_function(meet)
with Serving(methods) as port:
    print("xmlrpc", sum(crowd(call, port)))
