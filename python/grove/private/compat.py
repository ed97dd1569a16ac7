"""What gevent's own modules and some users of them ask of the interpreter."""

import os
import sys
from os import PathLike, fsdecode, fsencode, fspath
from time import monotonic, perf_counter

PY2 = False
PY3 = True
PY35 = PY36 = PY37 = PY38 = PY39 = PY310 = PY311 = True
PY312 = sys.version_info[:2] >= (3, 12)
PY313 = sys.version_info[:2] >= (3, 13)
PY314 = sys.version_info[:2] >= (3, 14)
PYPY = False
WIN = False
LINUX = sys.platform.startswith("linux")
OSX = MAC = sys.platform == "darwin"
#: There is no pure version of what is compiled.
PURE_PYTHON = False

string_types = (str,)
integer_types = (int,)
text_type = str
native_path_types = (str, bytes)
hostname_types = (str, bytes, bytearray)
thread_mod_name = "_thread"
xrange = range
izip = zip


def reraise(
    kind: type[BaseException], value: BaseException, tb: object = None
) -> None:
    """Raise value with the traceback tb."""
    raise value.with_traceback(tb)  # type: ignore[arg-type]


def iteritems(mapping: dict) -> object:
    """mapping.items()"""
    return mapping.items()


def itervalues(mapping: dict) -> object:
    """mapping.values()"""
    return mapping.values()


def exc_clear() -> None:
    """Nothing: exceptions end with their handlers."""
