"""Every example tells its usage, and refuses arguments that are not like it."""

import os
import subprocess
import sys
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
