"""The real servers that the programs talk to: Debian's, each on a free port of
127.0.0.1 and with a folder of its own, ended by its process id.

Each function is a context: it starts the server, waits until it serves, yields
the port, and ends it. A server whose package is missing skips the test.
"""

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START = 90.0  # seconds that a server may take to start, or to end
ROOT_USER = os.geteuid() == 0


class NotServing(Exception):
    """A server ended, or took too long, before it served; the text is its log."""


class Place:
    """Where a server runs: this machine, as others of it reach it."""

    address = "127.0.0.1"

    def command(self, command: list) -> list:
        """The command line of a command that is run there."""
        return command

    def listens(self, port: int) -> bool:
        """Whether somebody there accepts connections on port."""
        return listens(port)


class Running:
    """A server's process, and what it printed."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process = process
        self.log = log

    def wait_for(self, serves) -> None:
        """Return once serves() is true. Raises NotServing."""
        end = time.monotonic() + START
        while not serves():
            if self.process.poll() is not None or time.monotonic() > end:
                raise NotServing(self.log.read_text(errors="replace")[-4000:])
            time.sleep(0.05)

    def wait_for_port(self, port: int) -> None:
        """Return once somebody listens on port. Raises NotServing."""
        self.wait_for(lambda: listens(port))

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, and its children if it does not within the time."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(START)
            except subprocess.TimeoutExpired:
                pass
        # Its children, which are of its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def listens(port: int) -> bool:
    """Whether somebody accepts connections on port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def program(name: str, package: str, *folders: str) -> str:
    """The path of a server's program; the test is skipped if there is none."""
    places = os.pathsep.join([*folders, "/usr/sbin", "/usr/bin"])
    found = shutil.which(name, path=places)
    if found is None:
        pytest.skip(f"no {name}: tools/setup programs installs {package}")
    return found


def python_command(name: str, package: str) -> list[str]:
    """The command line of a Debian command that is written in Python: by the
    interpreter it is for, whatever its first line finds on the path."""
    return [sys.executable, program(name, package)]


@contextlib.contextmanager
def folder(user: str = "") -> Iterator[Path]:
    """A folder of the server's own, of user, if that is given.

    It stands where every user may look, unlike pytest's.
    """
    path = Path(tempfile.mkdtemp(prefix="grove-"))
    path.chmod(0o755)
    if user:
        shutil.chown(path, user)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def rights_of(user: str) -> dict[str, object]:
    """What Popen is told for a process to be user's: nothing without one."""
    if not user:
        return {}
    account = pwd.getpwnam(user)
    groups = [group.gr_gid for group in grp.getgrall() if user in group.gr_mem]
    return {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": groups,
    }


def launch(command: list, log: Path, user: str = "", **options: object) -> Running:
    """Start a server as a group of processes of its own, as user if given.

    options: those of Popen.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **rights_of(user),
            **options,
        )
    return Running(process, log)


@contextlib.contextmanager
def running(
    command: list, log: Path, port: int, place: Place | None = None
) -> Iterator[Running]:
    """While a server runs that listens on port, of this machine or of place."""
    place = place or Place()
    server = launch(place.command(command), log)
    try:
        server.wait_for(lambda: place.listens(port))
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def postgresql(connections: int = 100) -> Iterator[int]:
    """The user is postgres, and no password is asked for. So many may connect."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    places = [str(path) for path in reversed(versions)]
    initdb = program("initdb", "postgresql", *places)
    bin = Path(initdb).parent
    user = "postgres" if ROOT_USER else ""  # it refuses to run as root
    port = free_port()
    with folder(user) as home:
        data = home / "data"
        made = launch(
            [initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
            home / "initdb.log",
            user,
        )
        made.wait_for(lambda: made.process.poll() == 0)
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"]
        options += ["-c", f"max_connections={connections}"]
        server = launch(
            [bin / "postgres", "-D", data, "-p", port, "-k", home, *options],
            home / "log",
            user,
        )
        try:
            ready = [bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            server.wait_for(lambda: subprocess.call(ready) == 0)
            yield port
        finally:
            server.end(signal.SIGINT)  # without waiting for its clients


@contextlib.contextmanager
def mariadb() -> Iterator[int]:
    """The user is root without a password, and the database is test."""
    with mariadb_by() as (port, _):
        yield port


@contextlib.contextmanager
def mariadb_by(
    *by: str | Path, options: tuple[str, ...] = ()
) -> Iterator[tuple[int, Running]]:
    """The same started by a command, if one is given, with more options: the port,
    and the server."""
    server = program("mariadbd", "mariadb-server")
    install = program("mariadb-install-db", "mariadb-server")
    user = pwd.getpwuid(os.geteuid()).pw_name
    port = free_port()
    with folder() as home:
        data = home / "data"
        common = ["--no-defaults", f"--datadir={data}", f"--user={user}"]
        made = launch(
            [install, *common, "--auth-root-authentication-method=normal"],
            home / "install.log",
        )
        made.wait_for(lambda: made.process.poll() == 0)
        address = ["--bind-address=127.0.0.1", f"--port={port}"]
        files = [f"--socket={home}/socket", f"--pid-file={home}/pid"]
        command = [*by, server, *common, *address, *files, *options]
        with running(command, home / "log", port) as started:
            yield port, started


@contextlib.contextmanager
def redis() -> Iterator[int]:
    """Nothing is written to disk."""
    server = program("redis-server", "redis-server")
    port = free_port()
    with folder() as home:
        options = ["--bind", "127.0.0.1", "--save", "", "--dir", home]
        command = [server, "--port", port, *options]
        with running(command, home / "log", port):
            yield port


class RestartedRedis:
    """A Redis that can be restarted, and keeps what it has."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self._home = home

    def start(self) -> None:
        """Start it. Raises NotServing."""
        server = program("redis-server", "redis-server")
        options = ["--bind", "127.0.0.1", "--save", "", "--dir", self._home]
        command = [server, "--port", self.port, "--appendonly", "yes", *options]
        self._server = launch(command, self._home / "log")
        self._server.wait_for_port(self.port)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; what it has is in a file."""
        self._server.end(how)

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator["RestartedRedis"]:
        """While there is one."""
        with folder() as home:
            redis = cls(home)
            redis.start()
            try:
                yield redis
            finally:
                redis.end()


class RabbitMQ:
    """A RabbitMQ that can be restarted, with AMQP and STOMP; its user is guest.

    Erlang's own register of names, epmd, is one of its own, too.
    """

    def __init__(self, home: Path, place: Place) -> None:
        self.port, self.stomp_port = free_port(), free_port()
        self._place = place
        self._home = home
        self._epmd_port = free_port()
        plugins = home / "plugins"
        plugins.write_text("[rabbitmq_stomp].\n")
        config = home / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = {place.address}:{self.port}\n"
            f"loopback_users = none\n"
            f"stomp.listeners.tcp.1 = {place.address}:{self.stomp_port}\n"
        )
        self._environment = {
            **os.environ,
            "HOME": str(home),
            "ERL_EPMD_PORT": str(self._epmd_port),
            # Where the one above listens: Erlang's own, a daemon, finds it taken.
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"grove{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            # One thread that runs Erlang, which does not spin while idle.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

    @contextlib.contextmanager
    def register(self) -> Iterator[None]:
        """While the register of names runs."""
        epmd = program("epmd", "rabbitmq-server")
        command = [epmd, "-port", self._epmd_port, "-address", "127.0.0.1"]
        epmd_log = self._home / "epmd.log"
        with running(command, epmd_log, self._epmd_port, self._place):
            yield

    def start(self) -> None:
        """Start it. Raises NotServing."""
        script = program("rabbitmq-server", "rabbitmq-server", "/usr/lib/rabbitmq/bin")
        command, log = self._place.command([script]), self._home / "log"
        # What it writes when it breaks goes where it stands.
        self._server = launch(command, log, cwd=self._home, env=self._environment)
        for port in (self.port, self.stomp_port):
            self._server.wait_for(lambda port=port: self._place.listens(port))

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; what is durable stays."""
        self._server.end(how)


@contextlib.contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """The user is guest with that as a password."""
    with rabbitmq_at(Place()) as broker:
        yield broker


@contextlib.contextmanager
def rabbitmq_at(place: Place) -> Iterator[RabbitMQ]:
    """The same at some place."""
    with folder() as home:
        broker = RabbitMQ(home, place)
        with broker.register():
            broker.start()
            try:
                yield broker
            finally:
                broker.end()


@contextlib.contextmanager
def zookeeper() -> Iterator[int]:
    """Its data are in memory and in a folder of its own."""
    java = program("java", "default-jre-headless")
    jar = Path("/usr/share/java/zookeeper.jar")
    if not jar.exists():
        pytest.skip("no ZooKeeper: tools/setup programs installs zookeeper")
    port = free_port()
    with folder() as home:
        config = home / "zoo.cfg"
        config.write_text(
            f"tickTime=2000\ndataDir={home}\nclientPort={port}\n"
            "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
        )
        command = [java, "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", jar]
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        with running([*command, main, config], home / "log", port):
            yield port


@contextlib.contextmanager
def memcached() -> Iterator[int]:
    """What it holds is gone with it."""
    with memcached_by() as (port, _):
        yield port


@contextlib.contextmanager
def memcached_by(*by: str | Path) -> Iterator[tuple[int, Running]]:
    """The same started by a command, if one is given: the port, and the server."""
    server = program("memcached", "memcached")
    port = free_port()
    with folder() as home:
        user = ["-u", "root"] if ROOT_USER else []
        command = [*by, server, "-l", "127.0.0.1", "-p", port, *user]
        with running(command, home / "log", port) as started:
            yield port, started


@contextlib.contextmanager
def stunnel_by(
    *by: str | Path, certificate: Path, backend: int
) -> Iterator[tuple[int, Running]]:
    """TLS in front of a port, by a command if one is given: its port, and it.

    certificate: a file with the key, too.
    """
    server = program("stunnel4", "stunnel4")
    port = free_port()
    with folder() as home:
        config = home / "config"
        config.write_text(
            f"foreground = yes\npid =\n[tls]\naccept = 127.0.0.1:{port}\n"
            f"connect = 127.0.0.1:{backend}\ncert = {certificate}\n"
        )
        with running([*by, server, config], home / "log", port) as started:
            yield port, started


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """An MQTT broker that lets everybody in."""
    server = program("mosquitto", "mosquitto")
    port = free_port()
    with folder() as home:
        config = home / "config"
        user = "user root\n" if ROOT_USER else ""
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{user}")
        with running([server, "-c", config], home / "log", port):
            yield port


@contextlib.contextmanager
def slapd() -> Iterator[int]:
    """The directory dc=grove, of cn=admin,dc=grove, whose password is secret."""
    server = program("slapd", "slapd")
    port = free_port()
    with folder() as home:
        (home / "data").mkdir()
        config = home / "slapd.conf"
        config.write_text(
            "include /etc/ldap/schema/core.schema\n"
            f"pidfile {home}/pid\n"
            "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
            'database mdb\nsuffix "dc=grove"\n'
            f'directory {home}/data\nrootdn "cn=admin,dc=grove"\nrootpw secret\n'
        )
        address = f"ldap://127.0.0.1:{port}"
        command = [server, "-h", address, "-f", config, "-d", "0"]
        with running(command, home / "log", port):
            yield port


@contextlib.contextmanager
def sshd() -> Iterator[tuple[int, Path]]:
    """Yields the port, too, and the private key that lets this user in."""
    server = program("sshd", "openssh-server")
    if ROOT_USER:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it goes before a log-in
    port = free_port()
    with folder() as home:
        for key in ("host", "user"):
            subprocess.check_call(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / key]
            )
        config = home / "config"
        config.write_text(
            f"HostKey {home}/host\nPidFile {home}/pid\nListenAddress 127.0.0.1\n"
            f"AuthorizedKeysFile {home}/user.pub\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin yes\nMaxStartups 100\nMaxSessions 100\n"
            "Subsystem sftp internal-sftp\n"
        )
        command = [server, "-D", "-e", "-f", config, "-p", port]
        with running(command, home / "log", port):
            yield port, home / "user"


@contextlib.contextmanager
def dnsmasq() -> Iterator[int]:
    """A.grove is 192.0.2.1, and so are all names that end so; it has a text, too."""
    server = program("dnsmasq", "dnsmasq-base")
    port = free_port()
    with folder() as home:
        user = ["--user=root"] if ROOT_USER else []
        command = [server, "--keep-in-foreground", "--conf-file=/dev/null"]
        answers = ["--address=/grove/192.0.2.1", "--txt-record=text.grove,spoken"]
        address = [f"--port={port}", "--listen-address=127.0.0.1"]
        files = ["--bind-interfaces", "--no-resolv", "--no-hosts", "--pid-file"]
        words = [*command, *user, *answers, *address, *files]
        with running(words, home / "log", port):
            yield port


@contextlib.contextmanager
def dovecot() -> Iterator[int]:
    """A mailbox a user; everybody's password is secret."""
    server = program("dovecot", "dovecot-imapd")
    account = pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(account.pw_gid).gr_name
    users = ""  # Debian's, which root has and must have
    if not ROOT_USER:
        users = (
            f"default_internal_user = {account.pw_name}\n"
            f"default_internal_group = {group}\n"
            f"default_login_user = {account.pw_name}\n"
        )
    port = free_port()
    with folder() as home:
        boxes = home / "boxes"
        boxes.mkdir()
        owner = pwd.getpwnam("mail") if ROOT_USER else account  # never root
        shutil.chown(boxes, owner.pw_uid, owner.pw_gid)
        config = home / "config"
        config.write_text(
            f"base_dir = {home}/run\nlog_path = {home}/mail.log\nprotocols = imap\n"
            f"listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\n"
            f"state_dir = {home}/state\n"
            f"{users}"
            f"mail_location = maildir:{boxes}/%u\nfirst_valid_uid = 1\n"
            "service imap-login {\n  chroot =\n"
            f"  inet_listener imap {{\n    port = {port}\n  }}\n}}\n"
            "service anvil {\n  chroot =\n}\n"
            "passdb {\n  driver = static\n  args = password=secret\n}\n"
            "userdb {\n  driver = static\n"
            f"  args = uid={owner.pw_uid} gid={owner.pw_gid} home={boxes}/%u\n}}\n"
        )
        with running([server, "-F", "-c", config], home / "log", port):
            yield port


@contextlib.contextmanager
def python_server(module: str, package: str, *arguments: object) -> Iterator[int]:
    """A server that is a Python package of Debian's, on its plain interpreter.

    arguments: the words after the module, of which PORT becomes the port.
    """
    if not Path(f"/usr/lib/python3/dist-packages/{module}").exists():
        pytest.skip(f"no {module}: tools/setup programs installs {package}")
    port = free_port()
    with folder() as home:
        words = [str(word).replace("PORT", str(port)) for word in arguments]
        command = [sys.executable, "-m", module, *words]
        with running(command, home / "log", port):
            yield port
