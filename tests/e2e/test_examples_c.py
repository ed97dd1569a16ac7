"""The example programs in C, as their first lines say to run them."""

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import C_EXAMPLES


def output_of(program: str, *arguments: object) -> str:
    return subprocess.run(
        [C_EXAMPLES / program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_switch_order():
    assert output_of("switch_order").splitlines() == [
        "foo, step 1",
        "bar, step 1",
        "foo, step 2",
        "bar, step 2",
    ]


def test_watch():
    lines = output_of("watch", 3).splitlines()
    looks = "\n".join(lines).split("state     fibers")[1:]
    assert len(looks) == 3
    # The main thread's, and those of the two that work, with 11 fibers each.
    assert len(re.findall(r"^ *\d+ \w+ +11 ", looks[-1], re.M)) == 2
    assert re.search(r"^[1-9]\d* waits in channel send$", looks[-1], re.M)


def test_join_value():
    assert output_of("join_value").splitlines() == [
        "6 * 7 = 42",
        "the sleeper was woken after 10 ms: Operation canceled",
    ]


def test_sleep_together():
    one_by_one, together = map(int, re.findall(r"(\d+) ms", output_of("sleep_together")))
    assert one_by_one >= 300
    assert together < one_by_one / 1.5


def test_producer_consumer():
    assert output_of("producer_consumer").splitlines()[-1] == "20 made, 20 taken"


def test_prime_sieve():
    for hubs in (1, 2, 3):
        primes = list(map(int, output_of("prime_sieve", 1000, hubs).split()))
        assert primes == [n for n in range(2, 1000) if all(n % d for d in range(2, n))]


@pytest.mark.parametrize("loop, name, package",
    [("in_libuv", "libuv", "libuv1-dev"), ("in_glib", "GLib", "libglib2.0-dev")],
)
def test_in_another_event_loop(loop: str, name: str, package: str):
    if not (C_EXAMPLES / loop).exists():
        pytest.skip(
            f"{name} was not there when {loop} was to be built: apt-get install "
            f"{package}, then meson setup --reconfigure build"
        )
    assert output_of(loop).splitlines() == [
        "tick 1",
        "tick 2",
        "tick 3",
        f'the fiber got "hello through {name}"',
    ]


def test_bounded_map():
    *pages, summary, together = output_of("bounded_map").splitlines()
    assert sorted(pages) == [
        "fast: 1200 bytes",
        "large: 3000 bytes",
        "medium: 1800 bytes",
        "no such page: Connection refused",
        "slow: 1000 bytes",
    ]
    assert pages[-1] == "slow: 1000 bytes"
    assert summary == "4 of 5 pages, 3 at once at most, 7000 bytes"
    assert together == "together: no such page: Connection refused"


def test_timeouts():
    lines = output_of("timeouts").splitlines()
    assert lines[0] == "patient: all three steps in time"
    assert lines[1] == "hasty: the step was too slow, went on"
    assert lines[-1] == "hasty: the whole was too slow"


@pytest.mark.parametrize("port", ["echo_server"], indirect=True)
def test_echo_server(port: int):
    said = output_of("echo_clients", port, 200, 20)
    assert re.match(r"200 clients, 4000 answers in \d+ ms", said)


@pytest.mark.parametrize("port", ["udp_echo"], indirect=True)
def test_udp_echo(port: int):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        for host in ("127.0.0.1", "127.0.0.2"):
            for text in (b"", b"text", b"x" * 60000):
                client.sendto(text, (host, port))
                assert client.recvfrom(65536) == (text, (host, port))


@pytest.mark.parametrize("port", ["slow_site"], indirect=True)
def test_fetch(port: int):
    pages = [f"http://127.0.0.1:{port}/{ms}" for ms in (300, 200, 250)]
    said = output_of("fetch", *pages)
    one_by_one = int(re.search(r"one after another: (\d+) ms", said)[1])
    at_once = int(re.search(r"at once: (\d+) ms", said)[1])
    assert one_by_one >= 750
    assert 300 <= at_once < one_by_one / 1.5


def pipeline(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [C_EXAMPLES / "pipeline", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_pipeline():
    done = pipeline("printf", r"b\na\nb\n", ":", "sort", ":", "uniq")
    assert done.stdout == "  1  a\n  2  b\n"
    assert done.returncode == 0
    assert sorted(done.stderr.splitlines()) == [
        "printf: ended with 0",
        "sort: ended with 0",
        "uniq: ended with 0",
    ]


def test_pipeline_has_the_last_ones_status():
    done = pipeline("echo", "x", ":", "sh", "-c", "cat; exit 3")
    assert (done.stdout, done.returncode) == ("  1  x\n", 3)


def test_pipeline_ends_the_others_when_one_cannot_start():
    done = pipeline("sleep", "60", ":", "/no/such/program")
    assert done.returncode == 127
    assert done.stderr.splitlines() == [
        "/no/such/program: No such file or directory",
        "sleep: killed by signal 15",
    ]


def test_pipeline_ends_by_sigint():
    process = subprocess.Popen(
        [C_EXAMPLES / "pipeline", "sh", "-c", "echo up; exec sleep 60", ":", "tee"]
        + ["/dev/stderr"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().splitlines()
        assert process.wait(60) == 128 + signal.SIGINT
    assert "sh: killed by signal 15" in rest


def test_checksum(tmp_path: Path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"some text\n")
    large.write_bytes(bytes(range(256)) * 8192)
    names = [str(small), str(large), "/dev/null"]
    expected = subprocess.check_output(["cksum", *names], text=True)
    assert output_of("checksum", *names) == expected


def test_checksum_names_what_it_cannot_read(tmp_path: Path):
    done = subprocess.run(
        [C_EXAMPLES / "checksum", tmp_path, tmp_path / "none"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"checksum: {tmp_path}: Is a directory",
        f"checksum: {tmp_path / 'none'}: No such file or directory",
    ]
