"""A root of a Debian release: made once by mmdebstrap, kept, run in.

    PLACE/trixie/        the root
    PLACE/trixie.new/    one that is being made, or was not done
    PLACE/trixie.lock    held by who uses it
    PLACE/trixie.log     what apt and mmdebstrap printed last
    PLACE/trixie.layer/  empty: where what is to vanish is mounted

Nothing of the machine is changed but what is below PLACE. Commands in a root run
in mount and process namespaces of their own: what is mounted for them vanishes
with them, and so do processes they leave. They have a /dev of their own, in which
nothing of the machine's can be removed. The checkout is mounted at /src, read-only.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from making.ending import end_group, started
from making.trees import ROOT

RELEASES = ("bookworm", "trixie", "forky")  # those supported; tools/setup has them, too
MIRROR = "http://deb.debian.org/debian"
ARCHIVE_TIMEOUT = 20  # seconds, for an answer of the archive
MAKING_TIMEOUT = 2400  # seconds, for making a root or installing into it
# Release files of a mirror that stands still are past their date.
ANY_DATE = ["-o", "Acquire::Check-Valid-Until=false"]
# Packages' documentation is not unpacked, and nobody waits for the disk.
DPKG = ["force-unsafe-io", "path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/man/*"]

# Before ENTER, if what is changed in the root is to vanish, too: it goes to memory.
LAYER = """set -e
mkdir -p "$1.layer"
mount -t tmpfs layer "$1.layer"
mkdir "$1.layer/changes" "$1.layer/work"
mount -t overlay layer \\
    -o "lowerdir=$1,upperdir=$1.layer/changes,workdir=$1.layer/work" "$1"
"""

# Run by unshare, as `sh -c ENTER sh ROOT SOURCE COMMAND...`.
ENTER = """set -e
root=$1 source=$2
shift 2
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 pts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root/src"
mount --bind "$source" "$root/src"
mount -o remount,bind,ro "$root/src"
exec chroot "$root" env -i HOME=/root TERM="${TERM-dumb}" LANG=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""
INSIDE = ["sh", "-c", 'cd /src && exec "$@"', "sh"]


CANNOT_RUN = 77  # the exit status of a tool that met CannotRun


class CannotRun(Exception):
    """This machine, or the archive, does not let us; the text is for people."""


def no_release(name: str) -> str:
    """What to say of a release that is none of RELEASES."""
    return f"no release '{name}'; there are {' '.join(RELEASES)}"


def require_machine() -> None:
    """Raises CannotRun on a machine that makes no roots."""
    if os.geteuid() != 0:
        raise CannotRun("a root is made and entered as root only, and this is not")
    if not shutil.which("mmdebstrap"):
        raise CannotRun("mmdebstrap is missing: apt-get install mmdebstrap")
    unshare = ["unshare", "--mount", "--pid", "--fork", "true"]
    tried = subprocess.run(unshare, capture_output=True, text=True)
    if tried.returncode != 0:
        raise CannotRun(f"namespaces are refused: {tried.stderr.strip()}")


def default_place() -> Path:
    """Where roots are kept if nobody says."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "grove" / "roots"


def machine_mirror() -> str:
    """The Debian mirror of the machine's own apt sources."""
    try:
        targets = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
            capture_output=True,
            text=True,
        ).stdout.split()
    except FileNotFoundError:
        return MIRROR
    found = [uri.rstrip("/") for uri in targets if re.search(r"/debian/?$", uri)]
    return found[0] if found else MIRROR


def is_mounted_below(path: Path) -> bool:
    """Is anything mounted there, so that removing it would remove that?"""
    prefix = os.path.realpath(path).rstrip("/")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point.rstrip("/") == prefix or point.startswith(prefix + "/"):
            return True
    return False


class Root:
    """The root of one release."""

    def __init__(
        self, release: str, place: Path, mirror: str, tell: Callable[[str], None]
    ) -> None:
        self.release = release
        self.path = place / release
        self._mirror = mirror
        self._tell = tell
        self._log = place / f"{release}.log"

    # ---- making it ---------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While it is used; raises CannotRun if another does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotRun(f"another run uses {self.path}") from None
            yield

    def is_made(self) -> bool:
        return (self.path / "etc/debian_version").exists()

    def remove(self) -> None:
        self._remove(self.path)

    def make(self, packages: Sequence[str] = ()) -> None:
        """Make it with what every Debian has, apt, and packages."""
        self._require_archive()
        new = self.path.with_suffix(".new")
        self._remove(new)
        self._tell(f"making {self.path} from {self._mirror}")
        self._logged(
            ["mmdebstrap", "--mode=root", "--variant=minbase"]
            + [f"--aptopt={ANY_DATE[1].replace('=', ' ')}"]
            + [f"--dpkgopt={option}" for option in DPKG]
            + [f"--include={package}" for package in packages]
            + [self.release, str(new), self._mirror],
            f"mmdebstrap could not make a root of {self.release}",
            fresh=True,
        )
        hosts = new / "etc/hosts"
        if not hosts.exists():
            hosts.write_text("127.0.0.1 localhost\n::1 localhost\n")
        new.rename(self.path)

    def install(self, packages: Sequence[str]) -> list[str]:
        """Install those that are missing; returns those that the release has not."""
        installed, known = self._installed(), self.known_packages()
        missing = [p for p in packages if p not in installed]
        coming = [p for p in missing if p in known]
        if coming:
            self._update()
            self._tell(f"installing {' '.join(coming)}")
            self._logged(
                [*self._command(["apt-get", *ANY_DATE, "install", "--yes"])]
                + ["--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *coming],
                f"could not install the packages in {self.path}",
            )
        return [p for p in missing if p not in known]

    def fetch(self, packages: Sequence[str]) -> None:
        """Have packages, and what they depend on, lie ready in apt's cache."""
        self._require_lists()
        known = self.known_packages()
        self._logged(
            [*self._command(["apt-get", *ANY_DATE, "install", "--yes", "--download-only"])]
            + ["--no-install-recommends", *(p for p in packages if p in known)],
            f"could not fetch packages into {self.path}",
        )

    def known_packages(self) -> set[str]:
        """The packages that the release has, as of when something was installed."""
        self._require_lists()
        # Not `apt-cache pkgnames`, which has names that others merely mention.
        names = self.read(["sh", "-c", "apt-cache dumpavail | grep ^Package:"])
        return set(names.replace("Package:", "").split())

    def known_pythons(self) -> list[str]:
        """The release's default CPython, and newer ones: 3.13, for example."""
        self._require_lists()
        shown = self.read(["apt-cache", "depends", "--important", "python3"])
        default = re.search(r"Depends: python3\.(\d+)$", shown, re.MULTILINE)
        if not default:
            raise CannotRun(f"{self.release} has no CPython")
        names = (re.fullmatch(r"python3\.(\d+)-dev", p) for p in self.known_packages())
        minors = sorted(int(name[1]) for name in names if name)
        return [f"3.{minor}" for minor in minors if minor >= int(default[1])]

    def _require_lists(self) -> None:
        """Fetch the lists of packages in a root that has none, as mmdebstrap leaves it."""
        if not any((self.path / "var/lib/apt/lists").glob("*Packages*")):
            self._update()

    def _update(self) -> None:
        """Fetch the lists of packages."""
        self._require_archive()
        own, copy = Path("/etc/resolv.conf"), self.path / "etc/resolv.conf"
        if own.exists():
            copy.unlink(missing_ok=True)
            shutil.copyfile(own, copy)
        self._logged(
            self._command(["apt-get", *ANY_DATE, "update"]),
            f"could not fetch the lists of {self.release}",
        )

    def _installed(self) -> set[str]:
        shown = self.read(
            ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n"]
        )
        return {
            name for state, name in map(str.split, shown.splitlines()) if state == "installed"
        }

    def _require_archive(self) -> None:
        """Raises CannotRun where the archive cannot be reached."""
        address = f"{self._mirror}/dists/{self.release}/InRelease"
        helper = "/usr/lib/apt/apt-helper"
        if not os.path.exists(helper):
            raise CannotRun("this is not a Debian system: apt is not here")
        target = self.path.parent / f"{self.release}.InRelease"
        command = [helper, "-o", f"Acquire::http::Timeout={ARCHIVE_TIMEOUT}"]
        command += ["-o", "Acquire::Retries=0", "download-file", address, str(target)]
        asked = subprocess.run(command, capture_output=True, text=True)
        target.unlink(missing_ok=True)
        if asked.returncode != 0:
            why = [w for w in asked.stderr.splitlines() if w.startswith("E:")]
            raise CannotRun(
                f"the archive cannot be reached: {address}: "
                + (why[0].removeprefix("E: ") if why else "no answer")
            )

    def _remove(self, path: Path) -> None:
        if not path.exists():
            return
        if is_mounted_below(path):
            raise CannotRun(f"something is mounted below {path}: it is not removed")
        shutil.rmtree(path)

    def _logged(self, command: list[str], failure: str, fresh: bool = False) -> None:
        """Run command, its output into the log, telling now and then it goes on."""
        start = time.monotonic()
        with self._log.open("w" if fresh else "a") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            with started(
                command,
                end=end_group,  # mmdebstrap unmounts what it has mounted
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process:
                status = self._await(process)
        if status != 0:
            tail = self._log.read_text(errors="replace").splitlines()[-20:]
            raise CannotRun("\n    ".join([f"{failure}; {self._log} ends in", *tail]))
        self._tell(f"done in {time.monotonic() - start:.0f} s")

    def _await(self, process: subprocess.Popen[bytes]) -> int:
        """The status of what is run; -1: it takes too long, and goes on."""
        start = time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(30)
            passed = time.monotonic() - start
            if passed > MAKING_TIMEOUT:
                return -1
            self._tell(f"still at it after {passed:.0f} s ({self._log})")

    # ---- running in it -----------------------------------------------------

    def _command(self, command: Sequence[str], vanishing: bool = False) -> list[str]:
        """What runs command inside."""
        enter = LAYER + ENTER if vanishing else ENTER
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *("--propagation", "private", "sh", "-c", enter, "sh"),
            *(str(self.path), str(ROOT), *INSIDE, *command),
        ]

    def read(self, command: Sequence[str]) -> str:
        """What command, which must succeed, prints inside."""
        done = subprocess.run(
            self._command(command), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise CannotRun(f"{' '.join(command)} in {self.path}: {done.stderr.strip()}")
        return done.stdout

    def start(
        self, command: Sequence[str], vanishing: bool = False
    ) -> subprocess.Popen[str]:
        """Start command inside, what it prints to be read.

        vanishing: the root is as it was when it has ended.
        """
        return subprocess.Popen(
            self._command(command, vanishing),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def attend(self, command: Sequence[str]) -> int:
        """Run command inside where we are; its exit status."""
        return subprocess.run(self._command(command)).returncode
