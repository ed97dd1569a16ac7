"""Every command and program that the documents show is run: those of docs/start.md here,
in their order, the others by the test that is named here; what is not is said."""

import os
import re
import subprocess
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

#: How a block begins, and where it is run.
ELSEWHERE = {
    "make demo": "test_demo.py::test_demo_shows_both_languages_being_faster_at_once",
    "make wheel    # for pip": "test_wheel.py::test_the_names_and_their_removal",
    # installing
    "make wheel                                #": "test_wheel.py::test_libraries_are_inside_and_found_there",
    "python3 -m venv --system-site-packages": "test_wheel.py::test_a_checkout_is_installed",
    "app/bin/pip install --no-index build/packages/*.whl": "test_wheel.py::test_the_names_and_their_removal",
    "app/bin/pip uninstall": "test_wheel.py::test_the_names_and_their_removal",
    "make deb ": "test_debian.py::test_what_is_installed_works",
    "apt install ./build/packages/python3-grove-gevent": "test_debian.py::test_gevent_beside_the_package_and_in_its_names_stead",
    "apt purge": "test_debian.py::test_removal_leaves_nothing",
    # the command
    "grove run --stats": "test_run.py::test_stats_tell_what_was_waited_for",
    "grove run --threads": "test_threads.py::test_threads_of_python_are_few_tasks",
    "grove ps PID": "test_inspect.py::test_ps_tells_what_fibers_wait_for",
    "grove trace": "test_trace.py::test_a_program_in_python",
    "python3 -m grove app.py": "test_names.py::test_runs_as_main",
    # serving
    "from gevent.pywsgi import": "test_pywsgi.py::test_simple",
    "gunicorn -k grove": "test_gunicorn_worker.py::test_reload",
    "gunicorn -c python:grove": "test_gunicorn_worker.py::test_reload",
    "python3 -m grove.serve": "test_serve.py::test_processes_share_a_port",
    # excerpts of examples: their code is compared, and the examples are run
    "grove.joinall([grove.spawn(fetch": "test_readme.py::test_code_is_that_of_an_example",
}

#: What no test runs, and why not.
NOT_RUN = {
    "make                              #": "each is another build; CI makes the first",
    "make check                  #": "it is what runs this",
    "make bench": "it takes minutes, and a machine that is quiet",
}


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


@pytest.mark.parametrize(
    "document, language, text", SHOWN, ids=[f"{name}-{text[:30]}" for name, _, text in SHOWN]
)
def test_a_block_is_run_somewhere(document: str, language: str, text: str):
    if any(text.startswith(begin) for begin in NOT_RUN):
        return
    if language == "c":
        test = "test_readme.py::test_code_is_that_of_an_example"
        assert document == "README.md"
    else:
        test = next((run for begin, run in ELSEWHERE.items() if text.startswith(begin)), "")
        assert test, "which test runs it? see ELSEWHERE"
    file, _, function = test.partition("::")
    assert function in functions(file), test


def test_nothing_is_named_in_vain():
    for begin in [*ELSEWHERE, *NOT_RUN]:
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
