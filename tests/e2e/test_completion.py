"""Shells complete what the command's own --help tells of."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

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


# ---- zsh ---------------------------------------------------------------------------

#: What an interactive zsh reads first: at a tab it writes down what it would complete,
#: and exits.
ZSHRC = f"""
fpath=({FOLDER} $fpath)
autoload -U compinit && compinit -u -D
compadd() {{
    local -a found
    (( ${{argv[(I)-[OAD]]}} )) || {{
        builtin compadd -O found "$@"
        print -rl -- $found >>$COMPLETED
    }}
    builtin compadd "$@"
}}
complete-and-tell() {{ : >$COMPLETED; zle complete-word; exit }}
zle -N complete-and-tell
bindkey '^I' complete-and-tell
"""

#: Types its argument and a tab into one, at a terminal.
ASK_ZSH = """
zmodload zsh/zpty || exit
zpty shell zsh -i
zpty -w -n shell "$1"$'\\t'
while zpty -r shell; do :; done
"""


@pytest.fixture
def zsh(tmp_path: Path) -> Callable[..., set[str]]:
    """What zsh completes the last of some words with."""
    if not shutil.which("zsh"):
        pytest.skip("zsh is missing: tools/setup check")
    (tmp_path / ".zshrc").write_text(ZSHRC)
    completed = tmp_path / "completed"

    def complete(*words: str) -> set[str]:
        ran = subprocess.run(
            ["zsh", "-f", "-c", ASK_ZSH, "zsh", " ".join(["grove", *words])],
            env={**os.environ, "ZDOTDIR": str(tmp_path), "COMPLETED": str(completed)},
            capture_output=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return set(completed.read_text().split())

    return complete


def test_zsh_completes_the_commands(zsh: Callable[..., set[str]]):
    assert zsh("") == commands()
    assert zsh("t") == {"top", "trace"}


@pytest.mark.parametrize("command", COMMANDS)
def test_zsh_completes_options(zsh: Callable[..., set[str]], command: str):
    assert options(command)
    assert zsh(command, "-") == options(command) | {"-h", "--help"}


def test_zsh_completes_programs(zsh: Callable[..., set[str]]):
    assert "sort" in zsh("run", "sor")
    assert "sort" in zsh("run", "--threads", "--cores", "2", "sor")
    assert "sort" in zsh("trace", "-o", "file", "sor")


def test_zsh_completes_processes_and_states(zsh: Callable[..., set[str]]):
    # Which there are, zsh says: by default those of the terminal, itself among them.
    found = zsh("ps", "")
    assert found and all(word.isdigit() for word in found)
    assert zsh("ps", "--state", "par") == {"parked"}
    assert zsh("bt", "1", "") == {"all"}
