"""The command `grove`."""

import os
import re
import subprocess

from build_tree import BUILD, ROOT

COMMAND = BUILD / "tool" / "grove"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True)


def test_version_is_the_headers():
    header = (ROOT / "include" / "grove" / "base.h").read_text()
    version = ".".join(re.findall(r"#define GROVE_VERSION_[A-Z]+ (\d+)", header))
    for spelling in ("version", "--version", "-V"):
        assert run(spelling).stdout == f"grove {version}\n"


def test_help_lists_the_commands():
    result = run("help")
    assert result.returncode == 0
    for spelling in ("-h", "--help"):
        assert run(spelling).stdout == result.stdout
    assert re.findall(r"^  (\w+)", result.stdout, re.M) == ["bt", "help", "info", "ps", "run", "stat", "top", "trace", "version"]


def test_info_tells_of_this_machine():
    result = run("info")
    assert result.returncode == 0
    facts = dict(re.split(r"  +", line, 1) for line in result.stdout.splitlines())
    assert list(facts) == ["version", "default stack", "page size", "stack guards"]
    assert facts["page size"] == f"{os.sysconf('SC_PAGESIZE')} bytes"


def test_info_tells_the_default_stack_in_force():
    for setting, size in (("64K", 65536), ("1M", 1048576)):
        environment = {**os.environ, "GROVE_STACK_SIZE": setting}
        output = subprocess.check_output(
            [COMMAND, "info"], text=True, env=environment
        )
        assert re.search(rf"^default stack +{size} bytes$", output, re.M)


def test_unknown_command_is_named():
    result = run("frobnicate")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "grove: no command 'frobnicate'; see 'grove help'\n"


def test_no_command_is_bad_use():
    result = run()
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: grove")


def test_needless_argument_is_refused():
    result = run("version", "now")
    assert result.returncode == 2
    assert "'now'" in result.stderr


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        result = subprocess.run([COMMAND, "info"], stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
