"""Run a program with gevent's and greenlet's names bound to this package.

    python -m grove app.py [argument...]
    python -m grove -m module [argument...]
    python -m grove --patch app.py [argument...]
    python -m grove --libc app.py [argument...]
"""

import importlib.machinery
import importlib.util
import io
import os
import runpy
import signal
import sys
from types import ModuleType, TracebackType

import grove

USAGE = """\
usage: python -m grove [option...] [-m module | program.py] [argument...]

Run a Python program written for gevent or greenlet on Grove.

  -m module   run a module, as python -m does
  --patch     call gevent.monkey.patch_all() first
  --libc      the same with libc=True: C libraries let others run while they wait
  --no-PART, --PART, --verbose, --module
              the same, with these options of python -m gevent.monkey
  --version   print the version
  --help      print this"""

# Frames of these files are how the program was started, not the program.
OURS = {__file__, runpy.__file__, "<frozen runpy>"}


def fail(message: str) -> None:
    """Print message and exit with status 2."""
    print(f"python -m grove: {message}", file=sys.stderr)
    raise SystemExit(2)


def run_file(path: str) -> None:
    """Execute the file at path as the module __main__."""
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        if importlib.machinery.PathFinder.find_spec("__main__", [path]) is None:
            fail(f"can't find '__main__' module in {path!r}")
        sys.path[0] = path
        runpy.run_path(path, run_name="__main__")
        return
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        fail(f"can't open file {path!r}: {error.strerror}")
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    main = ModuleType("__main__")
    main.__dict__.update(__file__=path, __cached__=None, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    exec(compile(source, path, "exec"), main.__dict__)


def run_module(name: str) -> None:
    """Execute module name as __main__."""
    try:
        found = importlib.util.find_spec(name)
    except ImportError:
        found = None
    if found is None:
        fail(f"No module named {name!r}")
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """traceback from the program's own first frame on."""
    while traceback and traceback.tb_frame.f_code.co_filename in OURS:
        traceback = traceback.tb_next
    return traceback


def report(error: BaseException) -> None:
    """Print an uncaught exception as the interpreter would, then exit."""
    error.__traceback__ = without_ours(error.__traceback__)
    sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        # Die of the signal, so that a shell stops its script too.
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit(1)


def patch(arguments: list[str]) -> tuple[bool, list[str]]:
    """Patch as the options in front of the program say, if there are any.

    Returns whether the program is a module, and it with its arguments.
    """
    words: list[str] = []
    while arguments and arguments[0].startswith("--"):
        words.append(arguments[0])
        arguments = arguments[1:]
    if not words:
        return False, arguments
    from grove.patching.command import Options

    words = [word for word in words if word != "--patch"]
    for word in words:
        if not Options.knows(word):
            fail(f"unknown option {word}\n" + USAGE)
    options = Options(words)
    options.patch()
    return options.module, arguments


def main(arguments: list[str]) -> None:
    """Run what arguments, those after `python -m grove`, say."""
    if not arguments or (arguments[0] == "-m" and len(arguments) == 1):
        fail("no program to run\n" + USAGE)
    if arguments[0] in ("-h", "--help"):
        print(USAGE)
        return
    if arguments[0] == "--version":
        print(f"grove {grove.grove_version}")
        return
    grove.install_as_gevent()
    is_module, arguments = patch(arguments)
    if arguments[:1] == ["-m"]:
        is_module, arguments = True, arguments[1:]
    if not arguments:
        fail("no program to run\n" + USAGE)
    if not is_module and arguments[0].startswith("-"):
        fail(f"unknown option {arguments[0]}\n" + USAGE)
    sys.argv = arguments
    try:
        run_module(arguments[0]) if is_module else run_file(arguments[0])
    except Exception as error:
        report(error)
    except KeyboardInterrupt as error:
        report(error)


if __name__ == "__main__":
    main(sys.argv[1:])
