"""`grove run`: programs that are built already."""

import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

COMMAND = BUILD / "tool" / "grove"

#: Two fibers that sleep by libc; it prints when each begins and ends.
NAPS = r"""
#include <grove.h>
#include <stdio.h>
#include <unistd.h>

static void *nap(void *name)
{
    putchar('<');
    usleep(200000);
    putchar('>');
    return name;
}

int main(void)
{
    grove_fiber *a, *b;
    if (grove_spawn(&a, nap, NULL) < 0 || grove_spawn(&b, nap, NULL) < 0)
        return 2;
    grove_join(a, NULL);
    grove_join(b, NULL);
    return 7;
}
"""


def run(*arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


def compiled(path: Path, text: str, *flags: str) -> Path:
    source = path.with_suffix(".c")
    source.write_text(text)
    subprocess.check_call(["cc", "-o", path, source, *flags])
    return path


@pytest.fixture(scope="module")
def naps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It is not linked with the library that patches."""
    libraries = [f"-L{BUILD / 'src'}", f"-Wl,-rpath,{BUILD / 'src'}", "-lgrove"]
    path = tmp_path_factory.mktemp("run") / "naps"
    return compiled(path, NAPS, f"-I{ROOT / 'include'}", *libraries)


def test_a_program_that_knows_nothing_of_it_is_patched(naps: Path):
    plain = subprocess.run([naps], capture_output=True, text=True)
    assert (plain.returncode, plain.stdout) == (7, "<><>")
    result = run(naps)
    assert (result.returncode, result.stdout, result.stderr) == (7, "<<>>", "")


def test_stats_tell_what_was_waited_for(naps: Path):
    result = run("--stats", "--", naps)
    lines = [line.split() for line in result.stderr.splitlines()]
    assert lines[0] == ["grove:", "waited", "for", "times", "seconds"]
    waits = {line[1]: (int(line[2]), float(line[3])) for line in lines[1:]}
    times, seconds = waits["sleep"]
    assert times == 2
    assert seconds >= 0.4


def test_report_tells_what_is_patched(naps: Path):
    result = run("--report", naps)
    assert result.returncode == 7
    assert "(program): usleep\n" in result.stderr
    assert "libc.so.6: left alone (libc itself, but for stdio's tables)\n" in result.stderr


def test_arguments_output_and_status_are_the_programs():
    result = run("sh", "-c", "cat; echo $0 $1; echo e >&2; exit 3", "--stats", "x", input="in\n")
    assert (result.returncode, result.stdout, result.stderr) == (3, "in\n--stats x\n", "e\n")
    assert run("sh", "-c", "kill -9 $$").returncode == -9


def test_children_are_run_so_only_if_asked():
    script = "sh -c 'echo $LD_PRELOAD,$GROVE_RUN'"
    assert run("sh", "-c", script).stdout == ",\n"
    preload, letters = run("--children", "sh", "-c", script).stdout.strip().split(",")
    assert Path(preload).name == "libgrove-run.so"
    assert letters == "pc:0:0"
    other = run("sh", "-c", script, env={**os.environ, "LD_PRELOAD": "libm.so.6"})
    assert other.stdout == "libm.so.6,\n"


#: Two threads, in turns by a pipe, whose system calls are instructions of its own. Each
#: turn of the second needs the first to have parked, as they are on one thread of the
#: system.
RAW = r"""
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int there[2], back[2];

static long raw(long n, long a, const void *b, long c)
{
    __asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return n;
}

static void *answer(void *arg)
{
    char c;
    while (raw(SYS_read, there[0], &c, 1) == 1) {
        c++;
        raw(SYS_write, back[1], &c, 1);
    }
    return arg;
}

int main(void)
{
    pthread_t thread;
    char c, text[] = "HAL";
    if (pipe(there) < 0 || pipe(back) < 0 || pthread_create(&thread, NULL, answer, NULL))
        return 1;
    for (char *t = text; *t; t++)
        if (raw(SYS_write, there[1], t, 1) != 1 || raw(SYS_read, back[0], t, 1) != 1)
            return 2;
    close(there[1]);
    pthread_join(thread, NULL);
    printf("%s %ld\n", text, raw(SYS_read, -1, &c, 1));
    return 0;
}
"""


#: A thread sleeps; 1 if that is cut short.
SLEEPER = r"""
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static void *nap(void *arg)
{
    struct timespec some = {0, 500000000};
    return nanosleep(&some, NULL) == 0 ? NULL : arg;
}

int main(void)
{
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, nap, &thread);
    puts("there");
    fflush(stdout);
    pthread_join(thread, &result);
    return result != NULL;
}
"""


def wait_until_asleep(pid: int) -> None:
    """Or until it has ended."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "SZ":
        time.sleep(0)


def test_a_program_that_is_stopped_is_not_told(tmp_path: Path):
    """Nor by the runtime's own handler of faults being there."""
    program = compiled(tmp_path / "sleeper", SLEEPER, "-pthread")
    command = [COMMAND, "run", "--threads", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        for _ in range(10):
            wait_until_asleep(process.pid)
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="raw calls are patched on x86-64 only")
def test_system_calls_without_libc_park(tmp_path: Path):
    program = compiled(tmp_path / "raw", RAW, "-pthread")
    plain = subprocess.run([program], capture_output=True, text=True)
    assert (plain.returncode, plain.stdout) == (0, "IBM -9\n")
    wishes = ["--threads", "--cores", "1", "--syscalls", "--stats", "--report"]
    result = run(*wishes, program, timeout=60)
    assert (result.returncode, result.stdout) == (0, "IBM -9\n")
    assert "raw system calls: of threads with a hub\n" in result.stderr
    assert "grove: read" in result.stderr


#: Runs another program as if the kernel did not know prctl(2).
SANDBOX = r"""
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program))
        return 1;
    execvp(argv[1], argv + 1);
    return 2;
}
"""


def test_system_calls_without_libc_are_refused_where_they_cannot_be_caught(tmp_path: Path):
    sandbox = compiled(tmp_path / "sandbox", SANDBOX)
    command = [sandbox, COMMAND, "run", "--syscalls", "echo", "not", "reached"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (126, "")
    assert result.stderr.startswith("grove: cannot run echo: ")
    assert len(result.stderr.splitlines()) == 1


# ---- what cannot be run -------------------------------------------------------


def refused(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.returncode == 126
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def changed(path: Path, old: bytes, new: bytes) -> Path:
    """A copy of a program, with something else in it."""
    contents = Path(os.path.realpath("/bin/true")).read_bytes()
    assert old in contents[:4096]
    path.write_bytes(contents.replace(old, new.ljust(len(old), b"\0"), 1))
    path.chmod(0o755)
    return path


def test_a_static_program_is_refused(tmp_path: Path):
    program = compiled(tmp_path / "static", "int main(void) { return 0; }", "-static")
    assert "linked statically" in refused(program)


def test_another_libc_is_refused(tmp_path: Path):
    loader = {"x86_64": b"/lib64/ld-linux-x86-64.so.2", "aarch64": b"/lib/ld-linux-aarch64.so.1"}
    program = changed(tmp_path / "musl", loader[os.uname().machine], b"/lib/ld-musl.so.1")
    assert "not glibc" in refused(program)


def test_another_architecture_is_refused(tmp_path: Path):
    head = Path(os.path.realpath("/bin/true")).read_bytes()[:20]
    program = changed(tmp_path / "other", head, head[:18] + b"\x08\x00")
    assert "another architecture" in refused(program)


def test_a_script_is_refused_for_its_interpreter(tmp_path: Path):
    program = compiled(tmp_path / "static", "int main(void) { return 0; }", "-static")
    script = tmp_path / "script"
    script.write_text(f"#! {program} -x\n")
    script.chmod(0o755)
    assert "linked statically" in refused(script)
    script.write_text("#!/bin/sh\nexit 4\n")
    assert run(script).returncode == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user: run as root")
def test_a_setuid_program_is_refused(tmp_path: Path):
    program = Path(shutil.copy("/bin/true", tmp_path / "setuid"))
    os.chown(program, 1, 1)
    program.chmod(program.stat().st_mode | stat.S_ISUID)
    assert "setuid" in refused(program)


def test_no_program_is_told():
    result = run("no-such-program")
    assert result.returncode == 127
    assert result.stderr == "grove: cannot run no-such-program: No such file or directory\n"


def test_what_is_no_program_is_told(tmp_path: Path):
    plain = tmp_path / "plain"
    plain.write_text("exit 4\n")
    assert refused(plain) == f"grove: cannot run {plain}: Permission denied\n"
    assert refused("/") == "grove: cannot run /: Is a directory\n"
    found = run("plain", env={**os.environ, "PATH": f"{tmp_path}:/bin"})
    assert (found.returncode, found.stderr) == (126, "grove: cannot run plain: Permission denied\n")


def test_a_missing_interpreter_is_named(tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/sh -e\n")
    script.chmod(0o755)
    why = "its interpreter /no/such/sh: No such file or directory"
    assert refused(script) == f"grove: cannot run {script}: {why}\n"


def test_use_is_told():
    for spelling in ("-h", "--help"):
        assert run(spelling).stdout.startswith("usage: grove run ")
    for arguments, why in [((), "PROGRAM is missing"), (("--wrong", "true"), "no option '--wrong'")]:
        result = run(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == f"grove: run: {why}; see 'grove run --help'\n"
