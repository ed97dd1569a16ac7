"""Who looks names up: the resolvers, and how the module socket asks them."""

import os
import socket as stdlib
import subprocess
import sys
import textwrap

import grove
import pytest
from awaiting import HANG
from grove import socket
from grove.exceptions import BlockingSwitchOutError
from grove.resolver import AbstractResolver, ares, blocking, thread

RESOLVERS = [ares.Resolver, blocking.Resolver, thread.Resolver]
WITHOUT_DNSPYTHON = "asked by dnspython: apt-get install python3-dnspython"


def run(source, **environ):
    """Run a program of the package, which says nothing on standard error."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert result.returncode == 0 and not result.stderr, result.stderr


@pytest.fixture(params=RESOLVERS, ids=lambda c: c.__module__.rpartition(".")[2])
def resolver(request):
    """A resolver, which is the hub's."""
    hub = grove.get_hub()
    hub.resolver = request.param(hub)
    yield hub.resolver
    del hub.resolver


# ---- what they answer --------------------------------------------------------


def in_no_order(name, answer):
    """The answer without what libc and c-ares decide each by itself where a host
    has an address of either family: which is the first, and whether one that
    /etc/hosts has twice is told twice."""
    if name == "getaddrinfo":
        return answer[0][3], {(*entry[:3], entry[4]) for entry in answer}
    if name in ("gethostbyname_ex", "gethostbyaddr"):
        host, aliases, addresses = answer
        return host, aliases, {a.replace("::1", "127.0.0.1") for a in addresses}
    return answer


@pytest.mark.parametrize(
    "name, args",
    [
        ("getaddrinfo", ("localhost", 80)),
        ("getaddrinfo", (b"localhost", "http", 0, stdlib.SOCK_STREAM)),
        ("getaddrinfo", ("localhost", None, stdlib.AF_INET, stdlib.SOCK_DGRAM)),
        ("getaddrinfo", ("localhost", b"80", 0, 0, stdlib.IPPROTO_UDP)),
        ("getaddrinfo", ("localhost", 1, 0, 0, 0, stdlib.AI_CANONNAME)),
        ("gethostbyname", ("localhost",)),
        ("gethostbyname", ("127.0.0.1",)),
        ("gethostbyname_ex", ("localhost",)),
        ("gethostbyname_ex", ("127.0.0.1",)),
        ("gethostbyaddr", ("127.0.0.1",)),
        ("gethostbyaddr", ("localhost",)),
        ("getnameinfo", (("127.0.0.1", 80), 0)),
        ("getnameinfo", (("127.0.0.1", 80), stdlib.NI_NUMERICSERV)),
        ("getnameinfo", (("::1", 80, 0, 0), stdlib.NI_DGRAM)),
        ("getnameinfo", (("127.0.0.1", 80), stdlib.NI_NUMERICHOST)),
    ],
)
def test_answers_are_those_of_the_standard_functions(resolver, name, args):
    expected = in_no_order(name, getattr(stdlib, name)(*args))
    assert in_no_order(name, getattr(resolver, name)(*args)) == expected
    assert in_no_order(name, getattr(socket, name)(*args)) == expected


@pytest.mark.parametrize(
    "name, args",
    [
        ("getaddrinfo", ("nonesuch.invalid", 80)),
        ("getaddrinfo", ("localhost", "no such service")),
        ("getaddrinfo", ("localhost", 80, 12345)),
        ("gethostbyname", ("nonesuch.invalid",)),
        ("gethostbyname_ex", ("nonesuch.invalid",)),
        ("gethostbyaddr", ("nonesuch.invalid",)),
        ("getnameinfo", (("localhost", 80), 0)),
        ("getnameinfo", (("127.0.0.1", "80"), 0)),
        ("getnameinfo", (("127.0.0.1",), 0)),
        ("getnameinfo", ("127.0.0.1", 0)),
        ("getaddrinfo", (1.5, 80)),
        ("getaddrinfo", ("localhost", 1.5)),
        ("getaddrinfo", ("local\0host", 80)),
        ("getaddrinfo", ("a" * 70 + ".invalid", 80)),
        ("getaddrinfo", ("a..b", 80)),
        ("gethostbyname", ("\u20ac" * 70,)),
        ("gethostbyname_ex", (".invalid",)),
        ("gethostbyaddr", ("a..invalid",)),
        ("getaddrinfo", (b"a..b", 80)),
    ],
)
def test_errors_are_those_of_the_standard_functions(resolver, name, args):
    with pytest.raises(Exception) as expected:
        getattr(stdlib, name)(*args)
    with pytest.raises(type(expected.value)) as caught:
        getattr(resolver, name)(*args)
    assert getattr(caught.value, "errno", 0) == getattr(expected.value, "errno", 0)


def test_a_resolver_of_no_kind():
    empty = AbstractResolver()
    for name in socket.__dns__:
        if name != "getfqdn":
            with pytest.raises(NotImplementedError):
                getattr(empty, name)("localhost", 0) if name in (
                    "getaddrinfo",
                    "getnameinfo",
                ) else getattr(empty, name)("localhost")
    empty.close()


# ---- who is asked ------------------------------------------------------------


def test_the_hubs_own_is_asked_for_names_only():
    class Resolver(AbstractResolver):
        def getaddrinfo(self, host, port, *args):
            asked.append(host)
            return [(2, 1, 6, "", ("127.0.0.1", port or 0))]

        def gethostbyname(self, hostname):
            asked.append(hostname)
            return "127.0.0.1"

    asked = []
    hub = grove.get_hub()
    hub.resolver = Resolver()
    try:
        assert socket.gethostbyname("name") == "127.0.0.1"
        assert socket.getaddrinfo("name", 80)[0][4] == ("127.0.0.1", 80)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            socket.create_connection(("name", port)).close()
        assert asked == ["name"] * 3
        assert socket.getaddrinfo("127.0.0.1", 80)
        assert socket.gethostbyname("127.0.0.1") and len(asked) == 3
    finally:
        del hub.resolver


@pytest.mark.parametrize("name", ["thread", "ares", "block"])
def test_the_environment_says_which(name):
    run(
        """
        import os
        import grove
        grove.install_as_gevent()
        import gevent, gevent.socket
        from gevent.resolver import ares, blocking, thread
        kind = {"ares": ares, "block": blocking, "thread": thread}
        wanted = kind[os.environ["GEVENT_RESOLVER"]].Resolver
        assert type(gevent.get_hub().resolver) is wanted
        assert gevent.socket.gethostbyname("localhost") == "127.0.0.1"
        """,
        GEVENT_RESOLVER=name,
    )


def test_names_of_gevents():
    run("""
        import grove
        grove.install_as_gevent()
        import gevent.ares, gevent.resolver_ares, gevent.resolver_thread
        import gevent.resolver.ares, gevent.resolver.blocking, gevent.resolver.thread
        import gevent._socketcommon, gevent.socket
        assert gevent.ares is gevent.resolver_ares is gevent.resolver.ares
        assert gevent.resolver_thread is gevent.resolver.thread
        assert gevent._socketcommon.cancel_wait_ex is gevent.socket.cancel_wait_ex
        """)


def test_binding_to_a_name_does_not_yield():
    others = []
    grove.spawn(others.append, 1)
    for host in "localhost", "127.0.0.1", "":
        with socket.socket() as sock:
            sock.bind((host, 0))
    assert others == []


def test_only_what_waits_is_refused_in_the_hub():
    def look_up(resolver):
        try:
            results.append(resolver.gethostbyname("localhost"))
        except BlockingSwitchOutError:
            results.append("refused")

    results = []
    for resolver in RESOLVERS:
        grove.get_hub().loop.run_callback(look_up, resolver())
    grove.sleep(0)
    assert results == ["refused", "127.0.0.1", "refused"]


# ---- by c-ares ---------------------------------------------------------------

#: A server of names: it keeps all answers back until `questions` have come; each
#: name's address is 10.0.0.1, but for names with "no" in front, which are unknown; the
#: name of each address is name.test.
SERVER = """
    import os, struct
    import grove, _thread
    from grove import monkey, socket
    from grove.resolver.ares import Resolver

    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    address = "127.0.0.1:%d" % server.getsockname()[1]

    def answer(question):
        at = question.index(b"\\0", 12) + 1
        kind, = struct.unpack(">H", question[at:at + 2])
        data = {1: bytes([10, 0, 0, 1]), 12: b"\\4name\\4test\\0"}.get(kind, b"")
        failure = 3 if question[13:15] == b"no" else 0
        count = 1 if data and not failure else 0
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | failure, 1, count, 0, 0)
        record = struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
        return head + question[12:at + 4] + record * count

    def serve(questions):
        came = [server.recvfrom(512) for _ in range(questions)]
        while True:
            for question, client in came:
                server.sendto(answer(question), client)
            came = [server.recvfrom(512)]
"""


def test_look_ups_wait_in_the_loop():
    run(
        SERVER
        + """
    grove.spawn(serve, 50)  # more than there would be threads
    hub = grove.get_hub()
    hub.resolver = Resolver(hub, servers=[address])
    jobs = [grove.spawn(socket.gethostbyname, f"n{i}.test") for i in range(50)]
    grove.joinall(jobs, timeout=60, raise_error=True)
    assert {job.value for job in jobs} == {"10.0.0.1"}
    assert _thread._count() == 0
    assert socket.getaddrinfo("other.test", 80, socket.AF_INET, socket.SOCK_STREAM) == [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))
    ]
    """
    )


def test_the_settings_say_whom_to_ask():
    run(
        SERVER
        + """
    grove.spawn(serve, 0)
    host, port = address.split(":")
    grove.config.resolver = "ares"
    grove.config.ares_servers = [host]
    grove.config.ares_udp_port = int(port)
    assert type(grove.get_hub().resolver) is Resolver
    assert socket.gethostbyname("name.test") == "10.0.0.1"
    """
    )


def test_a_look_up_is_given_up():
    run(
        SERVER
        + """
    hub = grove.get_hub()
    hub.resolver = Resolver(hub, servers=address)
    with grove.Timeout(0.05, False):
        socket.gethostbyname("name.test")
        raise AssertionError
    looking_up = grove.spawn(socket.gethostbyname, "name.test")
    grove.sleep(0)
    looking_up.kill()
    assert isinstance(looking_up.value, grove.GreenletExit)
    grove.spawn(serve, 0)
    assert socket.gethostbyname("name.test") == "10.0.0.1"
    """
    )


# ---- by dnspython --------------------------------------------------------------

DNSPYTHON = (
    SERVER
    + '''
    from grove.resolver import dnspython
    import dns.query, dns.resolver, time, socket as stdlib, selectors

    own = dict(vars(dns.query))

    host, port = address.split(":")
    grove.config.resolver = "dnspython"
    grove.config.resolver_nameservers = [host]
    hub = grove.get_hub()
    assert type(hub.resolver) is dnspython.Resolver
    hub.resolver._resolver.port = int(port)

    def error_of(function, *args):
        try:
            function(*args)
        except OSError as error:
            return type(error), error.errno
'''
)


@pytest.fixture
def dnspython():
    pytest.importorskip("dns", reason=WITHOUT_DNSPYTHON)


def test_dnspython_waits_as_greenlets_do(dnspython):
    run(
        DNSPYTHON
        + """
    grove.spawn(serve, 50)  # all are asked before one is answered
    jobs = [grove.spawn(socket.gethostbyname, f"n{i}.test") for i in range(50)]
    grove.joinall(jobs, timeout=60, raise_error=True)
    assert {job.value for job in jobs} == {"10.0.0.1"}
    assert _thread._count() == 0
    # What the program imports of it, and needs for it, is as it was.
    assert all(vars(dns.query)[name] is value for name, value in own.items())
    assert dns.resolver.time is time and dns.resolver.dns.query is dns.query
    assert dns.resolver._resolver is None
    """
    )


def test_dnspythons_answers(dnspython):
    run(
        DNSPYTHON
        + """
    grove.spawn(serve, 0)
    inet, stream = socket.AF_INET, socket.SOCK_STREAM
    assert socket.getaddrinfo("a.test", "http", inet, stream) == [
        (inet, stream, 6, "", ("10.0.0.1", 80))
    ]
    assert socket.getaddrinfo(b"a.test", 1, 0, 0, 0, socket.AI_CANONNAME) == [
        (inet, kind, proto, "a.test", ("10.0.0.1", 1))
        for _, kind, proto, _, _ in stdlib.getaddrinfo("0.0.0.0", 1)
    ]
    assert socket.gethostbyname_ex("a.test") == ("a.test", [], ["10.0.0.1"])
    assert socket.gethostbyaddr("a.test") == ("name.test", [], ["10.0.0.1"])
    assert socket.getnameinfo(("10.0.0.2", 80), 0) == ("name.test", "http")
    assert socket.getnameinfo(("10.0.0.2", 80), socket.NI_NUMERICHOST)[0] == "10.0.0.2"

    unknown = stdlib.gaierror, socket.EAI_NONAME
    assert error_of(socket.getaddrinfo, "no.test", 80) == unknown
    assert error_of(socket.gethostbyname, "no.test") == unknown
    # From 2.4 on dnspython takes a name without such an address for a failure.
    no_answer = unknown, (stdlib.gaierror, socket.EAI_AGAIN)
    assert error_of(socket.getaddrinfo, "a.test", 80, socket.AF_INET6) in no_answer
    numeric = socket.AI_NUMERICHOST
    assert error_of(socket.getaddrinfo, "a.test", 80, 0, 0, 0, numeric) == unknown
    assert error_of(socket.getaddrinfo, "a.test", "no such service") == error_of(
        stdlib.getaddrinfo, "127.0.0.1", "no such service"
    )
    """
    )


def test_dnspython_gives_up(dnspython):
    run(
        """
    import grove
    grove.config.resolver_timeout = 0.05
    """
        + DNSPYTHON
        + """
    again = stdlib.gaierror, socket.EAI_AGAIN
    assert error_of(socket.gethostbyname, "a.test") == again
    assert error_of(socket.getnameinfo, ("10.0.0.1", 80), 0) == again
    hub.resolver._resolver.lifetime = 60
    with grove.Timeout(0.05, False):
        socket.gethostbyname("a.test")
        raise AssertionError
    """
    )


def test_dnspython_leaves_the_file_of_hosts_to_libc(dnspython, tmp_path):
    from grove.resolver import dnspython

    hosts = tmp_path / "hosts"
    known = dnspython._Hosts(str(hosts))
    assert "localhost" not in known
    hosts.write_text("127.0.0.1 localhost Here # there\n")
    assert "LOCALHOST" in known and "here." in known and "127.0.0.1" in known
    assert "there" not in known
    hosts.write_text("10.0.0.1 there\n")
    assert "there" in known and "here" not in known
    resolver = dnspython.Resolver()
    resolver._resolver.nameservers = []  # nobody is asked
    for name, args in [
        ("gethostbyname", ("localhost",)),
        ("gethostbyname_ex", ("localhost",)),
        ("gethostbyname_ex", ("127.0.0.1",)),
        ("gethostbyaddr", ("localhost",)),
        ("getaddrinfo", ("localhost", "http")),
        ("getaddrinfo", ("127.0.0.1", 80)),
        ("getaddrinfo", (None, 80)),
        ("getnameinfo", (("127.0.0.1", 80), 0)),
    ]:
        assert getattr(resolver, name)(*args) == getattr(stdlib, name)(*args)


def test_without_dnspython_its_name_is_told():
    run(
        """
    import sys
    sys.modules["dns"] = None
    import grove
    try:
        grove.get_hub().resolver
    except ImportError as error:
        assert "python3-dnspython" in str(error), error
    else:
        raise AssertionError
    """,
        GEVENT_RESOLVER="dnspython",
    )


def test_servers_that_are_no_addresses():
    for servers in "nonsense", ["1.2.3.4", "x:y:z"]:
        with pytest.raises(ValueError):
            ares.Resolver(servers=servers)
