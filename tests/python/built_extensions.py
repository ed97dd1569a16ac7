"""Extensions in C and C++ that tests build for themselves, and load."""

import importlib.util
import os
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType

import grove

HERE = Path(__file__).resolve().parent / "extensions"
COMPAT = Path(grove.__file__).parents[2] / "compat"


def build(source: Path, folder: Path) -> Path:
    """The extension as a file in folder."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    library = folder / (source.stem + suffix)
    compiler = (
        os.environ.get("CXX", "c++")
        if source.suffix == ".cpp"
        else os.environ.get("CC", "cc")
    )
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        + [f"-I{sysconfig.get_path('include')}", f"-I{COMPAT}"]
        + [source, "-o", library],
        check=True,
    )
    return library


def load(library: Path) -> ModuleType:
    """The module that the file is."""
    name = library.name.split(".")[0]
    spec = importlib.util.spec_from_file_location(name, library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
