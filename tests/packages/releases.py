"""Two roots of a release: one that packages are made in, a clean one to try them in.

They are made by mmdebstrap when they are first needed and kept. Packages are made
anew only where the sources have changed. What is done in the clean one vanishes: each
command finds it as mmdebstrap made it, with the packages of the archive that tests
want lying in apt's cache, and ours in PACKAGES.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from making.roots import Root, default_place, machine_mirror
from making.sources import source_files

from build_tree import ROOT

RELEASES = ["bookworm", "trixie"]
BUILDS = "/var/tmp/grove"  # in the root that packages are made in
PACKAGES = "/var/tmp/packages"  # in the clean one
NO_SOURCES = {"tests", "docs", "bench"}  # of which no package is made

# What tests want of the archive, and what our packages depend on.
WANTED = [
    *("python3", "python3-venv", "python3-flask", "gunicorn", "celery"),
    *("python3-sqlalchemy", "python3-gevent", "python3-greenlet"),
    *("gcc", "libc6-dev", "pkgconf", "libssl-dev", "libc-ares-dev", "liburing-dev"),
    *("libllhttp-dev", "libllhttp9.2", "libcares2", "libc-ares2", "liburing2"),
    *("libdw1", "libdw1t64", "python3-importlib-metadata"),
]


def tell(text: str) -> None:
    print(f"packages: {text}", flush=True)


def state_of_sources() -> str:
    """What is different if a package made of the sources might be."""
    state = hashlib.sha256()
    for path in sorted(source_files()):
        if path.parts[0] not in NO_SOURCES:
            state.update(bytes(path) + b"\0" + (ROOT / path).read_bytes())
    return state.hexdigest()


class Release:
    """A release of Debian."""

    def __init__(self, name: str) -> None:
        self.name = name
        place = default_place() / "packages"
        mirror = machine_mirror()
        self._maker = Root(name, place / "build", mirror, tell)
        self._clean = Root(name, place / "clean", mirror, tell)

    @contextmanager
    def in_use(self) -> Iterator["Release"]:
        """While its roots are ours; raises CannotRun where they cannot be made."""
        with ExitStack() as held:
            for root in (self._maker, self._clean):
                held.enter_context(root.locked())
                if not root.is_made():
                    root.make()
            self._fetch()
            self._make_packages()
            yield self

    def _fetch(self) -> None:
        """Have the archive's packages lie ready, once."""
        done = self._clean.path / "var/tmp/wanted"
        if not done.exists() or done.read_text().split() != WANTED:
            self._clean.fetch(WANTED)
            done.write_text("\n".join(WANTED))

    def _make_packages(self) -> None:
        state, done = state_of_sources(), self.packages / "state"
        if not done.exists() or done.read_text() != state:
            listed = subprocess.check_output(
                [ROOT / "tools/setup", "--list", "package"],
                text=True,
                env={**os.environ, "RELEASE": self.name, "CC": "", "PYTHON": ""},
            )
            self._maker.install(listed.split())
            shutil.rmtree(self.packages, ignore_errors=True)
            for what in ("wheel", "deb"):
                tell(f"{self.name}: making {what}")
                self.make(["env", f"BUILD={BUILDS}", "tools/packages", what])
            done.write_text(state)
        ours = self._clean.path / PACKAGES.lstrip("/")
        shutil.rmtree(ours, ignore_errors=True)
        shutil.copytree(self.packages, ours)

    @property
    def packages(self) -> Path:
        """Where our packages are, as seen from outside."""
        return self._maker.path / BUILDS.lstrip("/") / "packages"

    def make(self, command: list[str]) -> str:
        """What command prints where packages are made; it must succeed."""
        return self._succeed(self._maker, command, vanishing=False)

    def try_out(self, script: str) -> str:
        """What a script of sh prints in the clean root, from the checkout."""
        # apt-get takes what is in its cache, and ours; there is no other way for it.
        functions = """set -e
            get() {
                apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::http::Proxy=http://127.0.0.1:9 \\
                    --no-install-recommends --yes "$@" >/tmp/apt.log 2>&1 </dev/null ||
                    { cat /tmp/apt.log; exit 9; }
            }
            ours() {
                for name; do ls %s/"$name"_*.deb; done
            }
            files() {
                find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune \\
                    -o -path /tmp -prune -o -path /var/lib/dpkg -prune \\
                    -o -path /var/lib/apt -prune -o -path /var/cache -prune \\
                    -o -path /var/log -prune -o -path /var/tmp -prune \\
                    -o -print | sort
            }
            """ % PACKAGES
        return self._succeed(
            self._clean, ["sh", "-c", functions + script, self.name], vanishing=True
        )

    @staticmethod
    def _succeed(root: Root, command: list[str], vanishing: bool) -> str:
        process = root.start(command, vanishing=vanishing)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output
