"""python -m grove.monkey: run a program after patch_all()."""

import sys

from grove.patching.whole import patch_all

_USAGE = """\
usage: python -m grove.monkey [--module] [--[no-]PART ...] program [argument ...]

Run a program after patch_all(). --PART patches only the parts named so,
--no-PART all but those; PART is one of
  {parts}"""


def main(argv: list[str] | None = None) -> None:
    """Run the program that argv (sys.argv[1:] by default) names, patched."""
    import inspect
    import runpy

    argv = list(sys.argv[1:] if argv is None else argv)
    parameters = inspect.signature(patch_all).parameters
    parts = [name for name in parameters if name != "kwargs"]
    usage = _USAGE.format(parts=" ".join(parts))
    wanted: dict[str, bool] = {}
    run = runpy.run_path
    while argv and argv[0].startswith("--"):
        option = argv.pop(0)[2:]
        name = option.removeprefix("no-")
        if option == "module":
            run = runpy.run_module
        elif option == "verbose":
            pass
        elif name in parts:
            wanted[name] = name == option
        else:
            sys.exit(f"{usage}\n\nCannot patch {name!r}")
    if not argv:
        print(usage)
        return
    if any(wanted.values()):
        wanted = {name: wanted.get(name, False) for name in parts}
    patch_all(**wanted)
    sys.argv[:] = argv
    run(argv[0], run_name="__main__")
