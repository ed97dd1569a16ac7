"""Client libraries in C that know nothing of Grove: programs of fibers that each wait
at a server by one of them (c_clients/), built here."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from build_tree import BUILD, ROOT

SOURCES = ROOT / "tests" / "programs" / "c_clients"
WAIT = 0.5  # seconds, of each fiber


@dataclass
class Client:
    source: str
    package: str  # of pkg-config
    server: str  # a fixture
    where: str  # it is, by its port

    def installed(self) -> bool:
        """Whether the library is there, to build with."""
        if shutil.which("pkg-config") is None:
            return False
        return subprocess.call(["pkg-config", "--exists", self.package]) == 0


CLIENTS = {
    "libpq": Client("pq.c", "libpq", "postgresql", "host=127.0.0.1 port={} user=postgres"),
    "libmariadb": Client("mariadb.c", "libmariadb", "mariadb", "{}"),
    "libcurl": Client("curl.c", "libcurl", "slow", "http://127.0.0.1:{}"),
    "libcurl by name": Client("curl.c", "libcurl", "slow", "http://localhost:{}"),
    "hiredis": Client("redis.c", "hiredis", "redis", "{}"),
}


def build(client: Client, program: Path) -> Path:
    """Make the program."""
    flags = subprocess.check_output(
        ["pkg-config", "--cflags", "--libs", client.package], text=True
    ).split()
    libraries = [f"-L{BUILD / 'src'}", f"-Wl,-rpath,{BUILD / 'src'}"]
    sources = [SOURCES / "main.c", SOURCES / client.source]
    command = ["cc", "-o", program, f"-I{ROOT / 'include'}", *sources, *libraries]
    subprocess.check_call([*command, "-lgrove-patch", "-lgrove", *flags])
    return program


@dataclass
class Outcome:
    well: int  # fibers whose server said what it should
    seconds: float  # from the first question to the last answer
    threads: int  # of the system


def run(program: Path, how: str, n: int, where: str) -> Outcome:
    """Have n fibers wait, how: "patched" or "plain"."""
    command = [program, how, str(n), where]
    output = subprocess.check_output(command, text=True, timeout=120)
    well, seconds, threads = output.split()
    return Outcome(int(well), float(seconds), int(threads))
