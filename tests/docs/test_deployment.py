"""The configurations of docs/deployment.md: started and asked, as they stand there but for
paths and ports."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

PYTHON = os.environ.get("GROVE_PYTHON", "/usr/bin/python3")
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text()

#: The files shown: the first line has a name.
FILES = {
    name: text
    for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", DOCUMENT, re.M | re.S)
}

#: Seconds that a server may take to begin, or to end.
HANG = 60

#: As both configurations say.
WORKERS = 2


class Machine:
    """A folder that stands for /srv/app and /run/app, and what was started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "run" / "http.sock"
        self.started: list[subprocess.Popen] = []
        (folder / "run").mkdir()
        (folder / "bin").mkdir()
        # A command of that name that finds the package, as in an environment.
        python = folder / "bin" / "python3"
        python.write_text(f"#!/bin/sh\nPYTHONPATH={BUILD / 'python'} exec {PYTHON} \"$@\"\n")
        python.chmod(0o755)

    def text(self, name: str) -> str:
        text = FILES[name].replace("/run/app", str(self.folder / "run"))
        return text.replace("/srv/app", str(self.folder))

    def write(self, name: str) -> Path:
        path = self.folder / name
        path.write_text(self.text(name))
        return path

    def start(self, command: list[str]) -> subprocess.Popen:
        log = (self.folder / "log").open("ab")
        process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self.started.append(process)
        return process

    def start_unit(self, name: str) -> subprocess.Popen:
        """What systemd would run."""
        command = re.search(r"^ExecStart=(.*)$", self.text(name), re.M)[1]
        return self.start(command.split())

    def ask(self, address: str | tuple, path: str = "/") -> tuple[str, str]:
        """The status and the body; waits for the server to be there."""
        end = time.monotonic() + HANG
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        while True:
            with socket.socket(family) as client:
                client.settimeout(HANG)
                try:
                    client.connect(address)
                except OSError:
                    assert time.monotonic() < end, (self.folder / "log").read_text()
                    assert self.started[-1].poll() is None, (self.folder / "log").read_text()
                    time.sleep(0.05)
                    continue
                client.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
                answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
                return answer.split(" ")[1], answer.partition("\r\n\r\n")[2]

    def stop(self) -> None:
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.wait(HANG)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    one = Machine(tmp_path)
    one.write("app.py")
    yield one
    one.stop()


def children(process: subprocess.Popen) -> set[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(number) for number in listed.split()}


def needs(program: str) -> str:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:" + os.environ["PATH"])
    if not found:
        pytest.skip(f"{program} is wanted: tools/setup check installs it")
    return found


def test_what_is_shown_is_known_here():
    assert set(FILES) == {
        "app.py",
        "app.service",
        "gunicorn.conf.py",
        "gunicorn.service",
        "nginx.conf",
        "Containerfile",
    }


@pytest.mark.parametrize("unit", ["app.service", "gunicorn.service"])
def test_units_are_right(unit: str, machine: Machine):
    analyze = needs("systemd-analyze")
    path = machine.write(unit)
    checked = subprocess.run([analyze, "verify", path], capture_output=True, text=True)
    about = [line for line in checked.stderr.splitlines() if unit in line]
    assert about == []
    (machine.folder / unit).write_text(path.read_text().replace("KillMode", "KillMood"))
    checked = subprocess.run([analyze, "verify", path], capture_output=True, text=True)
    assert "KillMood" in checked.stderr, "a mistake would be told"


@pytest.mark.parametrize("unit", ["app.service", "gunicorn.service"])
def test_units_serve_reload_and_end(unit: str, machine: Machine):
    if unit == "gunicorn.service":
        needs("gunicorn")
        machine.write("gunicorn.conf.py")
    process = machine.start_unit(unit)
    address = str(machine.socket)
    assert machine.ask(address) == ("200", "nobody")
    before = children(process)
    application = machine.text("app.py").replace("nobody", "reloaded")
    (machine.folder / "app.py").write_text(application)
    process.send_signal(signal.SIGHUP)
    end = time.monotonic() + HANG
    while (answer := machine.ask(address)) != ("200", "reloaded"):
        assert answer == ("200", "nobody") and time.monotonic() < end
    # gunicorn's workers do not hear of an end before they have begun.
    while len(now := children(process)) != WORKERS or now & before:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.terminate()
    assert process.wait(HANG) == 0


@pytest.mark.parametrize("unit", ["app.service", "gunicorn.service"])
def test_nginx_in_front(unit: str, machine: Machine):
    nginx = needs("nginx")
    if unit == "gunicorn.service":
        needs("gunicorn")
        machine.write("gunicorn.conf.py")
    machine.start_unit(unit)
    assert machine.ask(str(machine.socket)) == ("200", "nobody")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = machine.text("nginx.conf").replace("listen 80;", f"listen 127.0.0.1:{port};")
    (machine.folder / "whole.conf").write_text(
        f"daemon off;\npid {machine.folder}/nginx.pid;\nevents {{}}\n"
        + ("user root;\n" if os.geteuid() == 0 else "")
        + f"http {{\naccess_log off;\n{temporary(machine.folder)}{site}}}\n"
    )
    machine.start(
        [nginx, "-p", str(machine.folder), "-e", str(machine.folder / "error.log")]
        + ["-c", str(machine.folder / "whole.conf")]
    )
    address = ("127.0.0.1", port)
    assert machine.ask(address) == ("200", "127.0.0.1"), "the client's address is told"
    assert machine.ask(address, "/events") == ("200", "nobody")
    assert machine.ask(address, "/slow") == ("200", "127.0.0.1")


def temporary(folder: Path) -> str:
    """Where nginx keeps what does not fit into memory, for somebody who is not root."""
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    return "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
