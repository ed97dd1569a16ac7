"""What to say where the package's extension is not found."""

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_OLDEST, _NEWEST = (3, 11), (3, 15)  # as python/meson.build has them


def reason(package: Path = _PACKAGE) -> str:
    """Why `grove._core` is not in the folder of the package, in one sentence."""
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return (
            f"Grove is for CPython {_dotted(_OLDEST)} to {_dotted(_NEWEST)}, and this"
            f" interpreter, {sys.executable}, is Python {_dotted(sys.version_info[:2])}"
        )
    own = EXTENSION_SUFFIXES[0]  # ".cpython-311-x86_64-linux-gnu.so"
    others = sorted(path.name[len("_core") :] for path in package.glob("_core.*.so"))
    if others:
        return (
            f"Grove in {package} is built for {_tag(others[0])}, and this interpreter,"
            f" {sys.executable}, loads {_tag(own)}: make PYTHON={sys.executable}"
        )
    return (
        f"Grove in {package} is not built: `make` builds it, for build/python to be"
        " on the path"
    )


def _dotted(version: tuple) -> str:
    return ".".join(map(str, version))


def _tag(suffix: str) -> str:
    return suffix.strip(".").removesuffix(".so")
