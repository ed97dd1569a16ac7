"""python -m grove.monkey: run a program after patch_all()."""

import inspect
import os
import pprint
import runpy
import sys
from typing import Any

from grove.patching.whole import patch_all

_USAGE = """\
usage: python -m grove.monkey [--verbose] [--module] [--[no-]PART ...]
                              program [argument ...]

Run a program after patch_all(). --PART patches only the parts named so,
--no-PART all but those; PART is one of
{parts}
--libc is not one of them: it has C libraries let other greenlets run as well.

  --module    the program is a module, as of python -m
  --verbose   first tell which modules are there, and the working directory"""

#: Comes on top of whichever parts there are, and only when it is asked for.
_MORE = "libc"
_PARTS = [
    name
    for name in inspect.signature(patch_all).parameters
    if name not in (_MORE, "kwargs")
]


def usage() -> str:
    """What the options are."""
    half = len(_PARTS) // 2
    lines = (_PARTS[:half], _PARTS[half:])
    return _USAGE.format(parts="\n".join("  " + " ".join(line) for line in lines))


class Options:
    """What the words in front of a program ask for."""

    def __init__(self, argv: list[str]) -> None:
        """Take the options away from the front of argv; what is left is program.

        Exits when there is one that is none.
        """
        self.module = self.verbose = False
        #: The parts that were named, and whether they are to be patched.
        self.named: dict[str, bool] = {}
        self.program = list(argv)
        while self.program and self.program[0].startswith("--"):
            self._take(self.program.pop(0)[2:])

    @staticmethod
    def knows(word: str) -> bool:
        """Whether it is an option."""
        name = word.removeprefix("--").removeprefix("no-")
        return word in ("--module", "--verbose") or name in [*_PARTS, _MORE]

    def _take(self, option: str) -> None:
        name = option.removeprefix("no-")
        if not self.knows("--" + option):
            sys.exit(f"{usage()}\n\nCannot patch {name!r}")
        if option in ("module", "verbose"):
            setattr(self, option, True)
        else:
            self.named[name] = name == option

    def patch(self) -> None:
        """Patch what is asked for, and tell what was there before."""
        wanted = {name: is_in for name, is_in in self.named.items() if name != _MORE}
        if any(wanted.values()):
            wanted = {name: wanted.get(name, False) for name in _PARTS}
        if _MORE in self.named:
            wanted[_MORE] = self.named[_MORE]
        if self.verbose:
            asked = ", ".join(f"{name}={value}" for name, value in wanted.items())
            print(f"gevent.monkey.patch_all({asked})")
            print("sys.version=" + sys.version.replace("\n", " "))
            print("sys.path=" + pprint.pformat(sys.path))
            print("sys.modules=" + pprint.pformat(sorted(sys.modules)))
            print("cwd=" + os.getcwd())
        patch_all(**wanted)


def main(argv: list[str] | None = None) -> Any:
    """As grove.monkey.main."""
    options = Options(sys.argv[1:] if argv is None else argv)
    if not options.program:
        print(usage())
        return None
    options.patch()
    sys.argv[:] = options.program
    run: Any = runpy.run_module if options.module else runpy.run_path
    return run(options.program[0], run_name="__main__")
