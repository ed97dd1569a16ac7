"""Every example tells its usage, and refuses arguments that are not like it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import C_EXAMPLES, EXAMPLES, environment

PYTHON = os.environ.get("GROVE_PYTHON", sys.executable)
SOURCES = Path(__file__).resolve().parents[2] / "examples"
IN_C = [path.stem for path in sorted(SOURCES.glob("*.c"))]
# A page for gunicorn, which has the options.
IN_PYTHON = [p.name for p in sorted(EXAMPLES.glob("*.py")) if p.stem != "flask_app"]
WITH_PORT = ("chat_server", "echo_clients", "echo_server", "slow_site", "udp_echo")


def run_in_c(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = C_EXAMPLES / name
    if not program.exists():
        pytest.skip(
            f"{name} was not built: libuv1-dev, libglib2.0-dev or -Dtls=true was "
            "missing at meson setup"
        )
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60
    )


def run_in_python(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "grove", EXAMPLES / name, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", IN_C)
def test_help_in_c(name: str):
    for option in ("-h", "--help"):
        result = run_in_c(name, option)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"usage: {name}")


@pytest.mark.parametrize("name", IN_C)
def test_bad_arguments_in_c(name: str):
    usage = run_in_c(name, "--help").stdout
    result = run_in_c(name, "--no-such-option")
    assert (result.returncode, result.stdout, result.stderr) == (2, "", usage)


@pytest.mark.parametrize("name", WITH_PORT)
def test_bad_ports_in_c(name: str):
    for port in ("x", "65536", "-1", ""):
        result = run_in_c(name, port)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"usage: {name}" in result.stderr


@pytest.mark.parametrize(
    "words", [":", ": true", "true :", "true : : true"], ids=lambda words: words
)
def test_a_pipeline_lacks_a_command(words: str):
    result = run_in_c("pipeline", *words.split())
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: pipeline ")


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize(
    "name, words",
    [("http_static", ["/", "ADDRESS"]), ("http_proxy", ["ADDRESS", "127.0.0.1", "1"])],
)
def test_an_address_in_use_in_c(name: str, words: list[str], taken: str):
    def run(address: str) -> subprocess.CompletedProcess[str]:
        return run_in_c(name, *[address if word == "ADDRESS" else word for word in words])

    result = run(taken)
    said = f"{name}: {taken}: Address already in use\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", said)
    bad = run("127.0.0.1:x")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert f"usage: {name}" in bad.stderr


@pytest.mark.parametrize("name", IN_PYTHON)
def test_help_in_python(name: str):
    result = run_in_python(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: {name}")


@pytest.mark.parametrize("name", IN_PYTHON)
def test_bad_arguments_in_python(name: str):
    result = run_in_python(name, "--no-such-option")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"usage: {name}")


def test_bad_ports_in_python(taken: str):
    for port in ("x", "65536", "99999"):
        result = run_in_python("echo_server.py", port)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("usage: echo_server.py")
        assert "Traceback" not in result.stderr
    result = run_in_python("echo_server.py", taken.split(":")[1])
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("echo_server.py: ") and "Address already in use" in line


@pytest.mark.parametrize("name", ["fetch.py", "crawler.py"])
def test_pages_that_cannot_be_had_in_python(name: str):
    with socket.socket() as nobody:  # bound, and it does not listen
        nobody.bind(("127.0.0.1", 0))
        result = run_in_python(name, f"http://127.0.0.1:{nobody.getsockname()[1]}/")
    assert result.returncode == 1
    assert "Connection refused" in result.stderr
