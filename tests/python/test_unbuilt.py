"""What is said where the package is not built, or for another interpreter."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import grove
import pytest
from grove.names.unbuilt import reason

PACKAGE = Path(grove.__file__).parent
ROOT = Path(__file__).parents[2]
BUILT = "cpython-35-made-up-linux-gnu"


def message_of_import(directory: Path, name: str = "grove") -> str:
    """The last line that importing name prints with directory alone on the path."""
    told = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        env={**os.environ, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode == 1
    return told.stderr.splitlines()[-1]


def copy(to: Path) -> Path:
    """The package without its extension."""
    ignored = shutil.ignore_patterns("_core*", "__pycache__")
    return shutil.copytree(PACKAGE, to / "grove", ignore=ignored)


def test_sources_alone(tmp_path: Path):
    package = copy(tmp_path)
    assert message_of_import(tmp_path) == f"ImportError: {reason(package)}"
    assert f"{package} is not built" in reason(package)


def test_built_for_another_interpreter(tmp_path: Path):
    package = copy(tmp_path)
    (package / f"_core.{BUILT}.so").touch()
    told = message_of_import(tmp_path)
    assert told == f"ImportError: {reason(package)}"
    assert f"{package} is built for {BUILT}, and" in told
    assert told.endswith(f": make PYTHON={sys.executable}")


@pytest.mark.parametrize("version", [(3, 10), (3, 16)])
def test_an_interpreter_that_is_not_supported(version, monkeypatch, tmp_path: Path):
    """However the package is built, and whatever is said of building it."""
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    assert reason(tmp_path) == (
        "Grove is for CPython 3.11 to 3.15, and this interpreter,"
        f" {sys.executable}, is Python 3.{version[1]}"
    )


@pytest.mark.parametrize("name", ["gevent", "greenlet"])
def test_sources_of_the_names(name: str):
    """Another one that is installed is not imported in their place."""
    assert message_of_import(ROOT / "python" / "compat", name) == (
        "ImportError: python/compat is where Grove's names are made of:"
        " build/compat is to be on the path"
    )


def test_a_fault_in_the_extension_is_told_as_it_is(tmp_path: Path):
    """Not as if nothing were built."""
    package = copy(tmp_path)
    (package / "_core.py").write_text("import no_such_module")
    assert message_of_import(tmp_path) == (
        "ModuleNotFoundError: No module named 'no_such_module'"
    )
