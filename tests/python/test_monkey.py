"""Patching, each case in a process of its own."""

import os
import subprocess
import sys
import textwrap

import pytest


def run(source):
    """Run source; it must say nothing on standard error."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_patch_time_and_get_original():
    run("""
        import time
        original = time.sleep
        import grove
        from grove import monkey
        assert not monkey.is_anything_patched()
        assert monkey.get_original("time", "sleep") is original
        assert monkey.patch_time()
        assert time.sleep is grove.sleep
        assert monkey.get_original("time", "sleep") is original
        assert monkey.get_original(["no_such", "time"], ["sleep", "time"]) == [
            original, time.time]
        assert monkey.is_module_patched("time")
        assert monkey.is_object_patched("time", "sleep")
        assert not monkey.is_object_patched("time", "time")
        assert not monkey.is_module_patched("socket")
        assert monkey.saved == {"time": {"sleep": original}}
    """)


def test_patch_socket_without_dns():
    run("""
        import socket
        look_up, cls = socket.getaddrinfo, socket.socket
        from grove import monkey, socket as ours
        assert monkey.patch_socket(dns=False)
        assert socket.socket is ours.socket is not cls
        assert socket.getaddrinfo is look_up
        assert monkey.patch_dns()
        assert socket.getaddrinfo is ours.getaddrinfo
    """)


def test_patch_all_and_again():
    run("""
        import socket, select, selectors, sys, time, ssl, warnings
        from grove import monkey
        assert monkey.patch_all() is True
        import grove, grove.socket, grove.select, grove.ssl
        assert socket.socket is grove.socket.socket
        assert select.select is grove.select.select
        assert select.epoll is grove.select.epoll
        assert selectors.EpollSelector._selector_cls is select.epoll
        assert ssl.SSLContext is grove.ssl.SSLContext
        assert time.sleep is grove.sleep
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert monkey.patch_all() is None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert monkey.patch_all(sys=True) is True
        assert [w.category for w in caught] == [monkey.MonkeyPatchWarning]
        assert "different arguments" in str(caught[0].message)
        assert sys.stdout is not sys.__stdout__
    """)


def warnings_of(call):
    """What `call` warns of, as (category, file, line, message)."""
    out = run(f"""
        import sys, warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            from grove import monkey
            {call}
        for w in caught:
            print(w.category.__name__, w.filename, w.lineno, w.message, sep="|")
        """)
    return [line.split("|") for line in out.splitlines()]


def test_plain_patch_all_does_not_warn():
    assert warnings_of("monkey.patch_all(sys=True)") == []


@pytest.mark.parametrize(
    "part",
    "time socket dns select selectors ssl builtins contextvars os subprocess signal "
    "thread queue sys".split(),
)
def test_no_part_warns(part):
    assert warnings_of(f"monkey.patch_{part}()") == []


def test_parts_left_out():
    run("""
        import socket, time
        cls = socket.socket
        from grove import monkey
        monkey.patch_all(socket=False, ssl=False, select=False)
        import grove
        assert socket.socket is cls and time.sleep is grove.sleep
    """)


def test_events_in_order():
    run("""
        from grove import events, monkey
        seen = []
        events.subscribers.append(seen.append)
        monkey.patch_all(extra=1)
        names = [type(e).__name__ for e in seen]
        assert names[0] == "GeventWillPatchAllEvent"
        assert names[-2:] == [
            "GeventDidPatchBuiltinModulesEvent", "GeventDidPatchAllEvent"]
        will, did = "GeventWillPatchModuleEvent", "GeventDidPatchModuleEvent"
        # Threads are patched once both modules are.
        assert names[1:7] == [will, did, will, will, did, did]
        assert names[7:-2] == [will, did] * (len(names[7:-2]) // 2)
        modules = [e.module_name for e in seen[1:-2]]
        assert modules == [
            *["os"] * 2, "_thread", "threading", "thread", "threading", *["time"] * 2,
            *["socket"] * 2, *["select"] * 2, *["selectors"] * 2, *["ssl"] * 2,
            *["subprocess"] * 2, *["signal"] * 2, *["queue"] * 2], modules
        assert seen[0].patch_all_kwargs == {"extra": 1}
        assert seen[0].will_patch_module("socket")
        assert not seen[0].will_patch_module("sys")
    """)


def test_listeners_can_prevent_it():
    run("""
        import time
        original = time.sleep
        from grove import events, monkey
        def refuse(event):
            if isinstance(event, kinds):
                raise events.DoNotPatch
        events.subscribers.append(refuse)
        kinds = events.GeventWillPatchAllEvent
        assert monkey.patch_all() is False
        kinds = events.GeventWillPatchModuleEvent
        assert monkey.patch_time() is False
        assert time.sleep is original
    """)


def test_patch_module():
    run("""
        import types
        from grove import monkey
        target, source = types.ModuleType("target"), types.ModuleType("source")
        target.a, source.a, source.b = 1, 2, 3
        try:
            monkey.patch_module(target, source)
        except AttributeError:
            pass
        else:
            raise SystemExit("__implements__ is missing")
        source.__implements__ = ["a"]
        assert monkey.patch_module(target, source)
        assert target.a == 2 and monkey.saved["target"] == {"a": 1}
        monkey.patch_module(target, source, items=["b"])
        assert target.b == 3
        monkey.patch_item(target, "a", 4)
        assert monkey.saved["target"] == {"a": 1}
        monkey.remove_item(target, "b")
        assert not hasattr(target, "b")
    """)


def test_standard_library_on_patched_sockets():
    out = run("""
        from grove import monkey; monkey.patch_all()
        import http.server, threading, time, urllib.request
        import grove

        asleep, most = [], []
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asleep.append(self)
                most.append(len(asleep))
                while max(most) < 10:
                    time.sleep(0.001)  # patched: that others run is the test
                asleep.remove(self)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"page")
            def log_message(self, *args):
                pass

        class Server(http.server.HTTPServer):
            def process_request(self, request, address):
                grove.spawn(self.answer, request, address)
            def answer(self, request, address):
                self.finish_request(request, address)
                self.shutdown_request(request)

        server = Server(("127.0.0.1", 0), Page)
        grove.spawn(server.serve_forever)
        url = f"http://127.0.0.1:{server.server_port}/"
        pages = [grove.spawn(lambda: urllib.request.urlopen(url).read())
                 for _ in range(10)]
        grove.joinall(pages, raise_error=True)
        print(all(p.value == b"page" for p in pages),
              max(most))
    """)
    assert out == "True 10\n"


def test_python_m_monkey(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys, time; print(time.sleep.__module__, sys.argv[1:])")

    def monkey(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "grove.monkey", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert monkey(str(program), "x").stdout.split() == ["grove._core", "['x']"]
    assert monkey("--no-time", str(program)).stdout.split() == ["time", "[]"]
    assert monkey("--socket", str(program)).stdout.split() == ["time", "[]"]
    assert "usage" in monkey().stdout
    assert "Cannot patch" in monkey("--bogus").stderr


def test_python_m_monkey_of_modules_and_verbose(tmp_path):
    (tmp_path / "program.py").write_text("import sys; print(__name__, sys.argv)")

    def monkey(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "grove.monkey", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        ).stdout

    said = "__main__ ['program', '-x', '--y']\n"
    assert monkey("--module", "program", "-x", "--y") == said
    out = monkey("--verbose", "--no-ssl", "program.py")
    assert out.startswith("gevent.monkey.patch_all(ssl=False)\nsys.version=")
    assert f"\ncwd={tmp_path}\n__main__ ['program.py']\n" in out


@pytest.mark.parametrize("options", [["--patch"], ["--time"], ["--no-ssl", "--time"]])
@pytest.mark.parametrize("is_module", [False, True])
def test_python_m_grove_patches(tmp_path, options, is_module):
    program = tmp_path / "program.py"
    program.write_text("import sys, time; print(time.sleep.__module__, sys.argv[1:])")
    run = ["-m", "program"] if is_module else [str(program)]
    result = subprocess.run(
        [sys.executable, "-m", "grove", *options, *run, "--x"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert result.stdout == "grove._core ['--x']\n", result.stderr


LIBC = """
import ctypes, time
from gevent import monkey
import gevent
if PATCHES:
    monkey.patch_all(**ARGUMENTS)
order = []
def nap(milliseconds):
    ctypes.CDLL(None).usleep(milliseconds * 1000)
    order.append(milliseconds)
gevent.joinall([gevent.spawn(nap, n) for n in (200, 100)])
print(monkey.is_module_patched("libc"), monkey.is_module_patched("time"), order)
print(monkey.unpatch_libc(), monkey.is_module_patched("libc"))
order.clear()
gevent.joinall([gevent.spawn(nap, n) for n in (20, 10)])
print(order)
"""


@pytest.mark.parametrize(
    "options, arguments, environ, patched",
    [
        (["--libc"], None, {}, (True, True)),
        (["--patch"], None, {}, (False, True)),
        (["--libc", "--os"], None, {}, (True, False)),
        ([], {"libc": True}, {}, (True, True)),
        ([], {}, {}, (False, True)),
        ([], {}, {"GROVE_LIBC": "1"}, (True, True)),
        ([], {}, {"GROVE_LIBC": "0"}, (False, True)),
        ([], {"libc": False}, {"GROVE_LIBC": "1"}, (False, True)),
        ([], None, {"GROVE_LIBC": "1"}, (False, False)),
    ],
)
def test_libc_is_patched_when_asked_for(tmp_path, options, arguments, environ, patched):
    program = tmp_path / "program.py"
    head = f"PATCHES, ARGUMENTS = {arguments is not None}, {arguments}\n"
    program.write_text(head + LIBC)
    result = subprocess.run(
        [sys.executable, "-m", "grove", *options, program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
    )
    libc, time = patched
    order = [100, 200] if libc else [200, 100]
    said = f"{libc} {time} {order}\n{libc} False\n[20, 10]\n"
    assert (result.stdout, result.stderr) == (said, "")


def test_python_m_grove_refuses_unknown_options():
    for arguments in (["--bogus", "x.py"], ["-x"], ["--patch"], ["-m"]):
        result = subprocess.run(
            [sys.executable, "-m", "grove", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 2 and "usage" in result.stderr, arguments


def test_the_functions_of_subprocess_are_patched():
    run("""
        from unittest import mock
        import subprocess
        from grove import monkey, subprocess as ours
        functions = ["run", "call", "check_call", "check_output"]
        originals = [getattr(subprocess, name) for name in functions]
        monkey.patch_all()
        for name in [*functions, "CompletedProcess", "Popen"]:
            assert monkey.is_object_patched("subprocess", name), name
        assert monkey.get_original("subprocess", functions) == originals
        assert subprocess.Popen is ours.Popen
        with mock.patch("subprocess.Popen", side_effect=LookupError) as popen:
            for name in functions:
                try:
                    getattr(subprocess, name)(["true"])
                except LookupError:
                    pass
        assert popen.call_count == 4
        assert subprocess.run(["true"]).returncode == 0
    """)


@pytest.mark.parametrize(
    "name",
    "os thread sys subprocess signal queue builtins contextvars ssl select".split(),
)
def test_every_part_has_its_function(name):
    run(f"from grove import monkey; monkey.patch_{name}()")
