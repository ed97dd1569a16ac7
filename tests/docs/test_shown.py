"""Every command and program that the documents show is run: those of docs/start.md here,
in their order, the others by the test that is named here; what is not is said."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT
from test_named_tests import functions

PYTHON = os.environ.get("GROVE_PYTHON", "/usr/bin/python3")

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)

#: Documents all of whose blocks are of one test.
WHOLE = {
    "start.md": "test_shown.py::test_start_in_five_minutes",
    "c-guide.md": "test_guide.py::test_a_step",
    "deployment.md": "test_deployment.py::test_units_serve_reload_and_end",
}

#: Each command, as `commands` has it, and where it is run.
ELSEWHERE = {
    "make demo": "test_demo.py::test_demo_shows_both_languages_being_faster_at_once",
    "make help": "test_commands.py::test_make_help_names_every_target",
    "make install PREFIX=$HOME/grove": "test_install.py::test_everything_is_there",
    # other builds
    "make PYTHON=/usr/bin/python3.11": "test_trees.py::test_a_directory_for_each_compiler_and_python",
    "make CC=clang": "test_trees.py::test_a_directory_for_each_compiler_and_python",
    "make BUILD=/tmp/grove": "test_trees.py::test_build_names_the_place_of_all",
    # installing
    "make wheel": "test_wheel.py::test_libraries_are_inside_and_found_there",
    "python3 -m venv app": "test_wheel.py::test_the_package_alone_has_no_other_name",
    "app/bin/pip install --no-index build/packages/grove-*.whl": "test_wheel.py::test_the_package_alone_has_no_other_name",
    "python3 -m venv --system-site-packages app": "test_wheel.py::test_a_checkout_is_installed",
    "app/bin/pip install --no-build-isolation .": "test_wheel.py::test_a_checkout_is_installed",
    "app/bin/pip install --no-index build/packages/*.whl": "test_wheel.py::test_the_names_and_their_removal",
    "app/bin/pip install --no-build-isolation ./python/compat/greenlet ./python/compat/gevent": "test_wheel.py::test_a_checkout_is_installed",
    "app/bin/pip uninstall gevent greenlet": "test_wheel.py::test_the_names_and_their_removal",
    "app/bin/pip uninstall grove": "test_wheel.py::test_the_names_and_their_removal",
    "make deb": "test_debian.py::test_what_is_installed_works",
    "apt install ./build/packages/libgrove0_*.deb ./build/packages/libgrove-patch0_*.deb ./build/packages/python3-grove_*.deb": "test_debian.py::test_what_is_installed_works",
    "apt install ./build/packages/python3-grove-gevent_*.deb gunicorn python3-flask": "test_debian.py::test_gevent_beside_the_package_and_in_its_names_stead",
    "gunicorn -k gevent flask_app:app": "test_gunicorn.py::test_flask_app",
    "apt purge python3-grove-gevent": "test_debian.py::test_gevent_beside_the_package_and_in_its_names_stead",
    "apt purge ?source-package(^grove$)": "test_debian.py::test_removal_leaves_nothing",
    # the command
    "grove run --stats ./program": "test_run.py::test_stats_tell_what_was_waited_for",
    "grove run --threads python3 -c": "test_threads.py::test_threads_of_python_are_few_tasks",
    "grove ps PID": "test_inspect.py::test_ps_tells_what_fibers_wait_for",
    "grove bt PID 7": "test_inspect.py::test_bt_unwinds_c",
    "grove top PID": "test_inspect.py::test_top_tells_who_takes_the_time",
    "grove stat PID": "test_inspect.py::test_stat_tells_numbers",
    "grove trace -o trace.json -- python3 app.py": "test_trace.py::test_a_program_in_python",
    "grove trace --html trace.html trace.json": "test_trace.py::test_the_page_stands_alone",
    "python3 -m grove app.py": "test_names.py::test_runs_as_main",
    # serving
    "PYTHONPATH=build/compat gunicorn -k gevent flask_app:app": "test_gunicorn.py::test_flask_app",
    "PYTHONPATH=build/python python3 -m grove.serve flask_app:app": "test_serving_libraries.py::test_flask_app",
    "gunicorn -k grove.gunicorn.Worker module:application": "test_gunicorn.py::test_flask_app",
    "gunicorn -c python:grove.gunicorn module:application": "test_gunicorn_worker.py::test_reload",
    "python3 -m grove.serve -b 127.0.0.1:8000 -w 2 module:application": "test_serve.py::test_processes_share_a_port",
}

#: Programs in Python, by how they begin, and where they are run; of an excerpt of an
#: example the code is compared, and the example is run.
PROGRAMS = {
    "from gevent.pywsgi import": "test_pywsgi.py::test_simple",
    "grove.joinall([grove.spawn(fetch": "test_readme.py::test_code_is_that_of_an_example",
}

#: Blocks that are only indented, by their first lines.
INDENTED = {
    "meson ninja-build": "test_commands.py::test_the_readme_tells_what_the_library_needs",
    "(gdb) source tools/grove-gdb.py": "test_debugging.py::test_gdb_reads_a_core",
}

CHECKS = "it runs tests, this one perhaps"
MINUTES = "it takes minutes, and a machine that is quiet"

#: What no test runs, and why not.
NOT_RUN = {
    "make": "it is what CI begins with",
    "make lib": "make install builds the same",
    "make check": "it is what runs this",
    "make check-programs": CHECKS,
    "make check-packages": CHECKS,
    "make check-debian RELEASE=forky": CHECKS,
    "tools/check unit valgrind": CHECKS,
    "tools/check unit timer": CHECKS,
    "tools/check asan timer dns": CHECKS,
    "tools/check python-asan": CHECKS,
    "tools/check python event": CHECKS,
    "tools/check python event::test_name": CHECKS,
    "CC=clang tools/check tsan": CHECKS,
    "tools/check turns": CHECKS,
    "tools/check-fresh trixie": CHECKS,
    "tools/check cpython": CHECKS,
    "make bench": MINUTES,
    "tools/bench build switch py_spawn": MINUTES,
    "build/bench/ring 10000 65536": MINUTES,
}


def commands(text: str) -> Iterator[str]:
    """Each command's words, without comments; of a word of several lines the first."""
    whole = ""
    for line in text.splitlines():
        whole += line
        try:
            words = shlex.split(whole, comments=True)
        except ValueError:  # it goes on
            whole = whole[:-1] if whole.endswith("\\") else whole + "\n"
            continue
        if words:
            yield " ".join(words).partition("\n")[0].strip()
        whole = ""
    assert whole == "", "it has no end"


def blocks(document: Path) -> list[tuple[str, str]]:
    """The language and the text of each block that is a command or a program."""
    found = BLOCK.findall(document.read_text())
    return [(language, text) for language, text in found if language in ("sh", "python", "c")]


SHOWN = [
    (document.name, language, text)
    for document in DOCUMENTS
    for language, text in blocks(document)
    if document.name not in WHOLE
]


def test_documents_that_are_run_as_a_whole():
    assert WHOLE.keys() <= {document.name for document in DOCUMENTS}
    for test in WHOLE.values():
        file, _, function = test.partition("::")
        assert function in functions(file), test


def named(test: str) -> None:
    file, _, function = test.partition("::")
    assert function in functions(file), test


COMMANDS = sorted({c for _, language, text in SHOWN if language == "sh" for c in commands(text)})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_run_somewhere(command: str):
    assert (command in ELSEWHERE) != (command in NOT_RUN), "which test runs it?"
    if command in ELSEWHERE:
        named(ELSEWHERE[command])


@pytest.mark.parametrize(
    "document, text",
    [(document, text) for document, language, text in SHOWN if language != "sh"],
    ids=lambda value: value[:30],
)
def test_a_program_is_run_somewhere(document: str, text: str):
    test = next((run for begin, run in PROGRAMS.items() if text.startswith(begin)), "")
    if not test:  # in C
        assert document == "README.md"
        test = "test_readme.py::test_code_is_that_of_an_example"
    named(test)


def indented() -> list[str]:
    """Blocks that are set apart by blanks alone."""
    texts = [re.sub(r"^ *```.*?^ *```", "", d.read_text(), flags=re.M | re.S) for d in DOCUMENTS]
    return [block for text in texts for block in re.findall(r"\n\n    (\S.*)\n", text)]


def test_what_is_only_indented_is_run_somewhere():
    begins = {next(b for b in INDENTED if block.startswith(b)) for block in indented()}
    assert begins == INDENTED.keys()
    for test in INDENTED.values():
        named(test)


def test_nothing_is_named_in_vain():
    assert {*ELSEWHERE, *NOT_RUN} == set(COMMANDS)
    for begin in PROGRAMS:
        assert any(text.startswith(begin) for _, _, text in SHOWN), begin


# ---- start.md ----------------------------------------------------------------------


class Shell:
    """What its blocks do, in a folder that stands for a checkout where all is built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exports = ""
        for name, target in (("build", BUILD), ("include", ROOT / "include")):
            (folder / name).symlink_to(target.resolve())
        (folder / "bin").mkdir()
        self.program("python3", f'exec {PYTHON} "$@"')
        # Built it is: that make builds, CI's own run of it says.
        self.program("make", "exit 0")

    def program(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, commands: str) -> str:
        if commands.startswith("export"):
            self.exports += commands
            return ""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-euc", self.exports + commands],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


def test_start_in_five_minutes(tmp_path: Path):
    shell = Shell(tmp_path)
    said, checked = "", 0
    for language, text in BLOCK.findall((ROOT / "docs" / "start.md").read_text()):
        if language == "text":
            assert said == text
            checked += 1
        elif language == "sh":
            said = shell.run(text)
        else:
            name = re.match(r"(?:#|//) (\S+)\n", text)[1]
            (tmp_path / name).write_text(text)
    assert checked == 5
    assert "<html" in (tmp_path / "trace.html").read_text()
