"""Shells complete what the command's own --help tells of."""

import os
import re
import shutil
import subprocess

import pytest

from build_tree import BUILD, ROOT

COMMAND = BUILD / "tool" / "grove"
FOLDER = ROOT / "tool" / "completion"

#: Completes the last of its arguments after the others.
ASK_BASH = f"""
compopt() {{ :; }}
. {FOLDER / "grove.bash"}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_grove
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(*words: str) -> set[str]:
    command = ["bash", "-c", ASK_BASH, "bash", "grove", *words]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.stderr == ""
    return set(said.stdout.split())


def told(*command: str) -> str:
    return subprocess.check_output([COMMAND, *command, "--help"], text=True)


def commands() -> set[str]:
    return set(re.findall(r"^  ([a-z]+) ", told(), re.M))


def options(command: str) -> set[str]:
    return set(re.findall(r"^  (--?[a-z]+) ", told(command), re.M))


def test_bash_completes_the_commands():
    assert {w for w in completed("") if not w.startswith("-")} == commands()
    assert completed("tr") == {"trace"}
    assert completed("t") == {"top", "trace"}


#: Those that have options.
COMMANDS = ["bt", "ps", "run", "top", "trace"]


@pytest.mark.parametrize("command", COMMANDS)
def test_bash_completes_options(command: str):
    assert options(command)
    assert completed(command, "-") == options(command) | {"-h", "--help", "--"}


def test_bash_completes_programs():
    assert "sort" in completed("run", "sor")
    assert "sort" in completed("run", "--threads", "--cores", "2", "sor")
    assert "sort" in completed("run", "--", "sor")


def test_bash_completes_processes():
    assert str(os.getpid()) in completed("ps", "")
    assert completed("ps", "--state", "par") == {"parked"}


@pytest.mark.parametrize(
    "words",
    [["run", "--cores", ""], ["trace", "-o", ""], ["run", "sort", "-"], ["info", ""], ["ps", "-n", ""]],
)
def test_bash_leaves_the_rest_to_the_shell(words: list[str]):
    assert completed(*words) == set()


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is missing: tools/setup check")
def test_zsh_can_read_its_own():
    assert subprocess.run(["zsh", "-n", FOLDER / "_grove"]).returncode == 0


def test_zsh_knows_commands_and_options():
    text = (FOLDER / "_grove").read_text()
    assert set(re.findall(r"^        ['\"]([a-z]+):", text, re.M)) == commands()
    for command in COMMANDS:
        body = re.search(rf"_grove_{command}\(\) {{\n(.*?)^}}", text, re.M | re.S)
        assert body and set(re.findall(r"^        '(--?[a-z]+)\[", body[1], re.M)) == options(command)
