"""grove.backdoor: interactive Python for whoever connects."""

import subprocess
import sys

import grove
import pytest
from grove import socket
from grove.backdoor import BackdoorServer


@pytest.fixture
def server():
    server = BackdoorServer(("127.0.0.1", 0), locals={"number": 6}, banner="hello")
    server.start()
    yield server
    server.stop()


class Client:
    """Somebody at a console."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.server_port))
        self.socket.settimeout(60)

    def read(self, prompt=b">>> "):
        """Up to a prompt, which is left out, or to the end."""
        data = b""
        while not data.endswith(prompt):
            byte = self.socket.recv(1)
            if not byte:
                return data
            data += byte
        return data.removesuffix(prompt)

    def say(self, line, prompt=b">>> "):
        self.socket.sendall(line + b"\r\n")
        return self.read(prompt)


def test_a_console(server):
    out = sys.stdout
    client = Client(server)
    assert client.read() == b"hello\n"
    assert client.say(b"2 + 3") == b"5\n"
    assert client.say(b"number") == b"6\n"
    assert client.say(b"1 / 0").endswith(b"ZeroDivisionError: division by zero\n")
    assert client.say(b"def f():", b"... ") == b""
    assert client.say(b"  return 'value'", b"... ") == b""
    assert client.say(b"") == b""
    assert client.say(b"f()") == b"'value'\n"
    assert client.say(b"print('said')") == b"said\n"
    assert client.say(b"quit()") == b""
    client.socket.close()
    while sys.stdout is not out:
        grove.sleep(0)


def test_lines_that_are_sent_together(server):
    client = Client(server)
    assert client.read() == b"hello\n"
    client.socket.sendall(b"2 + 3\nnumber\nquit()\n")
    assert [client.read() for _ in range(3)] == [b"5\n", b"6\n", b""]
    client.socket.close()


@pytest.mark.parametrize("end", [b"exit()", b"raise SystemExit", None])
def test_the_end_of_one_leaves_others(server, end, capsys):
    one, other = Client(server), Client(server)
    assert one.read() == other.read() == b"hello\n"
    assert one.say(b"number = 7") == b""
    assert other.say(b"number") == b"6\n"
    if end is None:
        one.socket.close()
    else:
        assert one.say(end) == b""
    print("not for the console")
    assert other.say(b"print(number)") == b"6\n"
    other.socket.close()
    assert capsys.readouterr().out == "not for the console\n"


def test_a_process_ends_well_with_a_console_open():
    program = """
import sys, grove
from grove import backdoor, socket
server = backdoor.BackdoorServer(("127.0.0.1", 0), banner="hello")
server.start()
client = socket.create_connection(server.address)
assert client.recv(1) == b"h"
print("said", type(sys.stdout).__name__)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"said _Stream\n", b"")
