"""What is otherwise than in gevent, as a program sees it, on whichever gevent is
importable: prints what each function here comes to, as JSON.

docs/from-gevent.md names each by its function, and says why it is so.
"""

import fcntl
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable

import gevent
import gevent.event
import gevent.fileobject
import gevent.hub
import gevent.monkey
import gevent.pywsgi
import gevent.server
import gevent.socket
import gevent.ssl
from gevent.pool import Pool

EMPTY = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


def two_readers() -> list[str]:
    """Of one socket, at once: what each gets, or fails by."""
    ours, theirs = gevent.socket.socketpair()
    readers = [gevent.spawn(ours.recv, 1) for _ in range(2)]
    gevent.sleep()
    for byte in b"1", b"2":
        theirs.send(byte)
    gevent.joinall(readers, timeout=5)
    return sorted(
        type(reader.exception).__name__ if reader.exception else reader.value.decode()
        for reader in readers
        if reader.ready()
    )


def is_non_blocking(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)


def files_become_non_blocking() -> bool:
    """Whoever shares the pipe, too."""
    reading, writing = os.pipe()
    file = gevent.fileobject.FileObjectPosix(reading, "rb")
    non_blocking = is_non_blocking(reading)
    file.close()
    os.close(writing)
    return non_blocking


def pipes_of_children_become_non_blocking() -> bool:
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as child:
        return is_non_blocking(child.stdout.fileno())


def epoll_is_removed() -> bool:
    return not hasattr(select, "epoll")


def unlink_all_forgets_who_joins() -> bool:
    task = gevent.spawn(gevent.sleep, 0.01)
    joiner = gevent.spawn(task.join)
    gevent.sleep()
    task.unlink_all()
    joiner.join(0.2)
    return not joiner.dead


def unlink_all_forgets_the_pool() -> int:
    """The places that are taken behind the end of all."""
    pool = Pool(2)
    task = pool.spawn(gevent.sleep, 0)
    task.unlink_all()
    gevent.sleep(0.05)
    return 2 - pool.free_count()


def standard_streams_wait() -> bool:
    """After patch_sys()."""
    before = sys.stdin
    gevent.monkey.patch_sys()
    return sys.stdin is not before


def greenlets_are_awaitable() -> bool:
    return hasattr(gevent.Greenlet, "__await__")


def loops_of_libev_are_there() -> bool:
    try:
        import gevent.libev  # noqa: F401
    except ImportError:
        return False
    return True


def outcome(call: Callable, *args: object) -> object:
    """What call returns, or the name of what it raises."""
    try:
        return call(*args)
    except Exception as error:
        return type(error).__name__


def a_read_that_is_shut_down() -> str:
    ours, _theirs = gevent.socket.socketpair()
    reader = gevent.spawn(outcome, ours.recv, 1)
    gevent.sleep()
    ours.shutdown(gevent.socket.SHUT_RD)
    return repr(reader.get(timeout=5))


def a_tls_send_that_would_wait() -> object:
    ours, _theirs = gevent.socket.socketpair()
    context = gevent.ssl.create_default_context()
    tls = context.wrap_socket(ours, server_hostname="x", do_handshake_on_connect=False)
    tls.setblocking(False)
    return outcome(tls.send, b"x")


def events_of_ends_that_have_gone() -> list[int]:
    """Of a pipe whose writer has gone, and of one whose reader has."""
    (reading, writing), (gone, full) = os.pipe(), os.pipe()
    os.close(writing)
    os.close(gone)
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    poll.register(full, select.POLLOUT)
    return sorted(events for _, events in poll.poll(1000))


def a_select_of_a_number_that_is_too_large() -> object:
    return outcome(select.select, [99999], [], [], 0)


def a_closed_stdin_is_passed_over() -> bool:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.close()
    got = outcome(child.communicate)
    child.stdout.close()
    child.wait()
    return got == (b"", None)


def an_error_of_preexec_fn() -> object:
    return outcome(lambda: subprocess.Popen(["true"], preexec_fn=lambda: 1 / 0))


def text_of_a_child() -> str:
    with subprocess.Popen(["true"], stdout=subprocess.PIPE, text=True) as child:
        return type(child.stdout).__name__


def shown_children() -> bool:
    """Whether the text of one tells its number and not what it was begun with."""
    with subprocess.Popen(["true"]) as child:
        return f"pid={child.pid}" in repr(child)


def arguments_of_a_time_out() -> list[object]:
    return list(gevent.Timeout(1, False).args)


def what_no_exception_is_raised_as() -> object:
    result = gevent.event.AsyncResult()
    result.set_exception(1)
    return outcome(result.get)


def with_starts_a_server() -> bool:
    with gevent.server.StreamServer(("127.0.0.1", 0), print) as server:
        return server.started


def a_server_starts_again() -> object:
    server = gevent.server.StreamServer(("127.0.0.1", 0), print)
    server.start()
    server.stop()
    return outcome(server.start)


def patching_without_os_is_warned_of() -> bool:
    program = "from gevent import monkey; monkey.patch_all(os=False)"
    command = [sys.executable, "-W", "always", "-c", program]
    return b"signal but not os" in subprocess.run(command, capture_output=True).stderr


def a_thread_waits_for_the_main_one() -> object:
    """For an event, in a hub that has nothing else to do."""
    event, told = gevent.event.Event(), []

    def wait() -> None:
        told.append(outcome(event.wait))

    thread = gevent.get_hub().threadpool.spawn(wait)
    gevent.sleep(0.2)
    event.set()
    thread.get(timeout=5)
    return told[0]


def c_ares_has_options() -> bool:
    from gevent.resolver.ares import Resolver

    return outcome(lambda: Resolver(timeout=1, tries=1) and True) is True


def a_channel_of_c_ares() -> object:
    def names() -> bool:
        from gevent.ares import channel
        from gevent.resolver import cares
        from gevent.resolver._hostsfile import HostsFile

        return bool(channel and cares and HostsFile)

    return outcome(names)


def answer(application: Callable, request: bytes) -> bytes:
    """What WSGIServer sends before it closes, or waits for another request."""
    server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), application, log=None, error_log=None)
    server.start()
    with gevent.socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.sendall(request)
        got = b""
        with gevent.Timeout(0.5, False):
            while data := client.recv(65536):
                got += data
            got += b"(closed)"
    server.stop()
    return got


def hello(environ: dict, start_response: Callable) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]


def versionless_requests_are_answered() -> bool:
    return b"(closed)" in (got := answer(hello, b"GET /\r\n\r\n")) and b"400" not in got


def a_url_as_the_target_is_the_path() -> bool:
    request = b"GET http://x/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    return b"http" in answer(hello, request).partition(b"\r\n\r\n")[2]


def two_lengths_are_taken() -> bool:
    lengths = b"Content-Length: 0\r\nContent-Length: 5\r\n"
    request = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lengths + b"\r\nabcde"
    return answer(hello, request).startswith(b"HTTP/1.1 200")


def longer_answers_than_told_are_sent() -> bool:
    def application(environ: dict, start_response: Callable) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ab", b"cd"]

    return b"abcd" in answer(application, EMPTY)


def main() -> None:
    gevent.monkey.patch_all()
    gevent.hub.Hub.handle_error = lambda *error: None
    told = {}
    for name, function in list(globals().items()):
        described = getattr(function, "__annotations__", {})
        if set(described) == {"return"} and name != "main":
            told[name] = function()
    # Standard output is patched by one of them.
    os.write(1, json.dumps(told).encode())


if __name__ == "__main__":
    main()
