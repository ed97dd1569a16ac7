"""sh, pexpect and watchdog: processes, terminals and changed files."""

import os
import sys
import tempfile

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import pexpect  # noqa: E402
import sh  # noqa: E402
from gevent.event import Event  # noqa: E402
from watchdog.events import FileSystemEventHandler  # noqa: E402
from watchdog.observers import Observer  # noqa: E402

which = sys.argv[1]

if which == "sh":
    print(str(sh.echo("spoken", _tty_out=False)).strip())
    print("ten", sum(int(str(sh.expr(n, "+", 1))) for n in range(10)))
    print("piped", str(sh.wc(sh.seq(100), "-l")).strip())
    lines: list[str] = []
    running = sh.seq(5, _out=lambda line: lines.append(line.strip()), _bg=True)
    running.wait()
    print("lines", *lines)
    try:
        sh.false()
    except sh.ErrorReturnCode_1 as error:
        print("failed", error.exit_code)

if which == "pexpect":
    child = pexpect.spawn("cat", timeout=30, echo=False)
    ticks = []
    ticker = gevent.spawn(lambda: [ticks.append(gevent.sleep(0)) for _ in range(5)])
    child.sendline("here and there")
    print("matched", child.expect(["nothing", "and (\\w+)"]), child.match.group(1))
    print(child.expect([pexpect.TIMEOUT, "never"], timeout=0.1))
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    print("ended", child.exitstatus)
    text, status = pexpect.run("sh -c 'echo spoken; exit 3'", withexitstatus=True)
    print(text.strip().decode(), status)

if which == "watchdog":
    created, deleted = Event(), Event()

    class Handler(FileSystemEventHandler):
        def on_created(self, event: object) -> None:
            print("created", os.path.basename(event.src_path))
            created.set()

        def on_deleted(self, event: object) -> None:
            print("deleted", os.path.basename(event.src_path))
            deleted.set()

    with tempfile.TemporaryDirectory() as folder:
        observer = Observer()
        observer.schedule(Handler(), folder)
        observer.start()
        path = os.path.join(folder, "file")
        open(path, "w").close()
        print("seen", created.wait(30))
        os.unlink(path)
        print("seen", deleted.wait(30))
        observer.stop()
        observer.join(30)
        print("alive", observer.is_alive())
