"""dnspython: queries over UDP and TCP, asked of a real server at once."""

import sys

from gevent import monkey

monkey.patch_all()

import socket  # noqa: E402

import dns.exception  # noqa: E402
import dns.message  # noqa: E402
import dns.query  # noqa: E402
import dns.resolver  # noqa: E402
import gevent  # noqa: E402

port = int(sys.argv[1])
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], port, 30


def look_up(n: int, tcp: bool) -> str:
    return resolver.resolve(f"n{n}.grove", "A", tcp=tcp)[0].address


for tcp in (False, True):
    jobs = [gevent.spawn(look_up, n, tcp) for n in range(30)]
    gevent.joinall(jobs, raise_error=True)
    print("tcp" if tcp else "udp", len(jobs), {job.value for job in jobs})
print(resolver.resolve("text.grove", "TXT")[0].to_text())
query = dns.message.make_query("a.grove", "A")
print(dns.query.udp(query, "127.0.0.1", 30, port).answer[0][0])



def ask_silent(port: int) -> str:
    try:
        dns.query.udp(query, "127.0.0.1", 0.3, port)
    except dns.exception.Timeout as error:
        return type(error).__name__
    return "answered"


# A server that is silent: others run while it is waited for.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
    silent.bind(("127.0.0.1", 0))
    late = gevent.spawn(ask_silent, silent.getsockname()[1])
    print(look_up(1, False), late.ready())
    print(late.get(30))
