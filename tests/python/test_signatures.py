"""Every public callable tells its parameters and what it does, and the examples in
docstrings run.

Parameters are compared with Debian's gevent where that has the name and tells some.
"""

import doctest
import functools
import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import pydoc
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certificates
import docstrings
import grove
import grove._greenlet
import pytest
from awaiting import HANG

#: Rooms that programs import from, too: gevent has packages of these names.
PACKAGES = ("resolver",)

#: Without the package dnspython nobody can import that resolver.
WANTING = () if importlib.util.find_spec("dns") else ("dnspython",)


def modules_of(package: Any) -> Iterator[str]:
    """Those that programs import, of a package and of the packages inside it."""
    yield package.__name__
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        name = module.name.rpartition(".")[2]
        if module.ispkg and name in PACKAGES:
            yield from modules_of(importlib.import_module(module.name))
        elif not module.ispkg and not name.startswith("_") and name not in WANTING:
            yield module.name


#: The last is what `import greenlet` gives.
MODULES = [*modules_of(grove), "grove._greenlet"]

DEBIAN = "/usr/bin/python3"

#: Where the names of parameters are not gevent's, and why.
OTHERWISE = {
    # gevent's own, for its own use
    "Timeout": "_one_shot is private",
    "Timeout.start_new": "_one_shot is private",
    "monkey.patch_ssl": "_warnings and _first_time are private",
    "monkey.patch_thread": "_warnings is private",
    "socket.wait": "the hub is the calling thread's",
    # gevent takes whatever comes, and passes it on
    "get_hub": "it takes no arguments",
    "fork": "it takes no arguments",
    "os.forkpty": "it takes no arguments",
    "fileobject.FileObjectPosix": "the file is named",
    "fileobject.FileObjectThread": "what it takes is named",
    "server.DatagramServer": "what it takes is named",
    "socket.create_connection": "all_errors is named",
    "subprocess.call": "as the standard library's",
    "subprocess.check_output": "as the standard library's",
    "subprocess.run": "as the standard library's",
    "threadpool.ThreadPoolExecutor": "what it takes is named",
    "threadpool.ThreadPoolExecutor.shutdown": "cancel_futures is named",
    "threadpool.ThreadPoolExecutor.kill": "it takes no arguments",
    "pool.Group.imap": "maxsize is named",
    "pool.Group.imap_unordered": "maxsize is named",
    "pool.Pool.imap": "maxsize is named",
    "pool.Pool.imap_unordered": "maxsize is named",
    "pool.Pool.start": "blocking and timeout are named",
    "threadpool.ThreadPool.imap": "maxsize is named",
    "threadpool.ThreadPool.imap_unordered": "maxsize is named",
    "pywsgi.WSGIHandler.MessageClass": "the file is named",
    "resolver.AbstractResolver": "the hub, which gevent's have in their own classes",
    "resolver.ares.Resolver": "servers is named",
    "socket.socket.recv": "as the standard library's",
    "socket.socket.recv_into": "as the standard library's",
    "socket.socket.recvfrom": "as the standard library's",
    "socket.socket.recvfrom_into": "as the standard library's",
    "socket.socket.recvmsg": "as the standard library's",
    "socket.socket.recvmsg_into": "as the standard library's",
    "socket.socket.sendto": "data is named",
    # here more can be said
    "events.EventLoopBlocked": "hub, which gevent has from 24.2 on",
    "monkey.patch_all": "libc",
    "queue.SimpleQueue": "maxsize and items, which gevent takes without telling",
    "ssl.get_server_certificate": "timeout, as the standard library's",
    "ssl.SSLSocket.do_handshake": "block, as the standard library's",
    "ssl.SSLSocket.write": "timeout, as send",
    # here less can be said
    "socket.wait_write": "event, which gevent ignores",
    "socket.wait_readwrite": "event, which gevent ignores",
    "ssl.SSLSocket": "it is made by a context, as the standard library's",
    "ssl.SSLSocket.recvfrom": "it fails, as the standard library's",
    "ssl.SSLSocket.recvfrom_into": "it fails, as the standard library's",
    "ssl.SSLSocket.sendto": "it fails, as the standard library's",
    "resolver.thread.Resolver.getaddrinfo": "as the standard library's",
    "resolver.thread.Resolver.gethostbyaddr": "as the standard library's",
    "resolver.thread.Resolver.gethostbyname": "as the standard library's",
    "resolver.thread.Resolver.gethostbyname_ex": "as the standard library's",
    "resolver.thread.Resolver.getnameinfo": "as the standard library's",
    "resolver.AbstractResolver.gethostbyname": "family: it is of IPv4 addresses",
    "resolver.AbstractResolver.gethostbyname_ex": "the same",
    "resolver.ares.Resolver.gethostbyname": "the same",
    "resolver.ares.Resolver.gethostbyname_ex": "the same",
    "resolver.dnspython.Resolver.gethostbyname": "the same",
    "resolver.dnspython.Resolver.gethostbyname_ex": "the same",
    "subprocess.Popen": "as the standard library's, with threadpool",
    # the standard library's names, or given without one
    "socket.socket.settimeout": "value",
    "socket.socket.listen": "backlog",
    "ssl.SSLSocket.read": "len",
    "hub.Hub.cancel_waits_close_and_then": "error and args",
    "hub.Hub.print_exception": "type and value, as handle_error's",
    "pywsgi.WSGIHandler.handle_error": "kind and value",
}

#: What has no example, by the beginnings of names, and why.
WITHOUT = {
    "gunicorn.": "gunicorn makes them, in processes of its own",
}


def public_names(module: Any) -> list[str]:
    names = getattr(module, "__all__", None)
    return names or [name for name in vars(module) if not name.startswith("_")]


def is_ours(thing: Any) -> bool:
    module = getattr(thing, "__module__", None) or ""
    return module == "greenlet" or module.startswith("grove")


def callables() -> dict[str, Any]:
    """The package's own: functions, classes and their methods, each once, by the name
    behind "grove."."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for name in MODULES:
        module = importlib.import_module(name)
        for key in public_names(module):
            thing = getattr(module, key)
            if callable(thing) and is_ours(thing) and id(thing) not in seen:
                seen.add(id(thing))
                found[f"{name}.{key}".removeprefix("grove.")] = thing
    classes = {path: thing for path, thing in found.items() if isinstance(thing, type)}
    for path, cls in classes.items():
        found |= {f"{path}.{k}": f for k, f in methods(cls, set(classes.values()))}
    return found


def methods(cls: type, shown: set[type]) -> Iterator[tuple[str, Any]]:
    """Its own, and those of its bases that are shown nowhere."""
    hidden = [base for base in cls.__mro__[1:] if is_ours(base) and base not in shown]
    bases = [cls, *hidden]
    for name in sorted({name for base in bases for name in vars(base)}):
        thing = getattr(cls, name)
        if not name.startswith("_") and callable(thing) and not isinstance(thing, type):
            yield name, thing


CALLABLES = callables()


def is_built_in(thing: Any) -> bool:
    """A class whose instances the interpreter's own constructor makes, as those of
    exceptions, of which it tells no parameters."""
    return isinstance(thing, type) and all(
        next(cls for cls in thing.__mro__ if name in vars(cls)).__module__ == "builtins"
        for name in ("__new__", "__init__")
    )


def test_there_are_many():
    assert len(CALLABLES) > 400


@pytest.mark.parametrize("name", CALLABLES)
def test_it_tells_its_parameters_and_what_it_does(name: str):
    thing = CALLABLES[name]
    assert (inspect.getdoc(thing) or "").strip(), "what does it do?"
    try:
        inspect.signature(thing)
    except ValueError:
        assert is_built_in(thing), "what are its parameters?"


# ---- beside gevent's -------------------------------------------------------------

TELL = """
import importlib, inspect, json, sys
told = {}
for name in json.load(sys.stdin):
    thing, path = importlib.import_module(sys.argv[1]), sys.argv[1]
    try:
        for part in name.split("."):
            path += "." + part
            try:
                thing = getattr(thing, part)
            except AttributeError:
                thing = importlib.import_module(path)
        parameters = inspect.signature(thing).parameters.values()
    except (ImportError, AttributeError, ValueError, TypeError):
        continue
    told[name] = [str(p).split(":")[0].split("=")[0].strip() for p in parameters]
json.dump(told, sys.stdout)
"""


def told_by(python: str, package: str, path: str | None) -> dict[str, list[str]]:
    """The parameters' names, of those that can be told."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    process = subprocess.run(
        [python, "-W", "ignore", "-c", TELL, package],
        input=json.dumps(list(CALLABLES)),
        env=environment,
        capture_output=True,
        text=True,
    )
    if process.returncode != 0 and "No module named 'gevent'" in process.stderr:
        pytest.skip("gevent is wanted: apt-get install python3-gevent")
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_parameters_have_gevents_names():
    theirs = told_by(DEBIAN, "gevent", None)
    version = version_of_gevent()
    if not version.startswith("22.10."):
        pytest.skip(f"compared is Debian 12's gevent 22.10, and this is {version}")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("what is the standard library's is compared in Debian 12's Python 3.11")
    ours = told_by(sys.executable, "grove", os.environ["PYTHONPATH"])
    assert len(theirs.keys() & ours.keys()) > 250
    different = {name for name in theirs if name in ours and ours[name] != theirs[name]}
    assert different == set(OTHERWISE)


def version_of_gevent() -> str:
    return subprocess.check_output(
        [DEBIAN, "-W", "ignore", "-c", "import gevent; print(gevent.__version__)"],
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )


# ---- examples ----------------------------------------------------------------------


def is_standard(name: str, text: str) -> bool:
    """Whether what the standard library has of this name has this docstring, too."""
    theirs = pydoc.locate(name)
    return theirs is not None and inspect.getdoc(theirs) == text


def is_without(name: str) -> bool:
    return name.startswith(tuple(WITHOUT))


def examples() -> list[doctest.DocTest]:
    """Those in the docstrings of callables and modules, each once: aliases share one."""
    described = {name: importlib.import_module(name) for name in MODULES} | CALLABLES
    found: dict[str, doctest.DocTest] = {}
    for name, thing in described.items():
        text = inspect.getdoc(thing) or ""
        if ">>>" in text and not is_standard(name, text) and not is_without(name):
            found.setdefault(text, docstrings.example(name, text))
    return list(found.values())


#: Whose examples have processes of their own.
CHANGING = (
    "core.loop.child",
    "fork",
    "hub.Hub.start_periodic_monitoring_thread",
    "install_as_",
    "monkey.",
    "os.fork",
    "os.wait",
    "reinit",
    "serve.",
    "stalls.",
)

#: Whose examples have contexts with certificates, and the two ends of a connection, as
#: the docstring of SSLSocket says.
TLS = ("ssl.SSL", "server.StreamServer.wrap_socket", "pywsgi.WSGIServer.wrap_socket")

#: The methods' examples go on from the class's, as its docstring says.
GOING_ON = ("pywsgi.WSGIHandler",)


def surroundings(name: str) -> dict[str, Any]:
    """What an example has from the beginning."""
    if name.startswith(TLS):
        return tls_ends()
    globs: dict[str, Any] = {}
    of = name.rpartition(".")[0]
    if of in GOING_ON:
        begin = docstrings.example(of, inspect.getdoc(CALLABLES[of]) or "")
        begin.globs = globs
        assert docstrings.run(begin, keep=True) == ""
    return globs


def tls_ends() -> dict[str, Any]:
    """Two sockets connected by TLS, and the contexts that this takes."""
    from grove import socket

    client_context, server_context = tls_contexts()
    a, b = socket.socketpair()
    accepting = grove.spawn(server_context.wrap_socket, b, server_side=True)
    client = client_context.wrap_socket(a, server_hostname="localhost")
    return {
        "client_context": client_context,
        "server_context": server_context,
        "client": client,
        "server": accepting.get(timeout=HANG),
    }


@functools.cache
def tls_contexts() -> tuple[Any, Any]:
    """A client's, and a server's with a certificate for localhost."""
    from grove import ssl

    with tempfile.TemporaryDirectory() as folder:
        certificate, key = certificates.make(Path(folder))
        client_context = ssl.create_default_context(cafile=certificate)
        server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_context.load_cert_chain(certificate, key)
    return client_context, server_context


def changes_the_process(example: doctest.DocTest) -> bool:
    """Whether it leaves something behind, or forks, which threads of other tests would
    be warned of."""
    return example.name.startswith(CHANGING)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_examples_run(example: doctest.DocTest, monkeypatch: pytest.MonkeyPatch):
    # As install_as_greenlet() has it.
    monkeypatch.setitem(sys.modules, "greenlet", grove._greenlet)
    if changes_the_process(example):
        elsewhere = [sys.executable, docstrings.__file__, example.name]
        text = example.docstring
        subprocess.run(elsewhere, input=text, text=True, check=True, timeout=HANG)
    else:
        example.globs = surroundings(example.name)
        assert docstrings.run(example) == ""


@pytest.mark.parametrize("name", CALLABLES)
def test_it_has_an_example(name: str):
    text = inspect.getdoc(CALLABLES[name]) or ""
    assert ">>>" in text or is_standard(name, text) or is_without(name)
