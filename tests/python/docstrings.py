"""Examples in docstrings, run here or, by this file as a program, in a process of
their own: `docstrings.py NAME`, with the docstring as standard input."""

import doctest
import sys


def example(name: str, text: str) -> doctest.DocTest:
    """What the docstring of name shows."""
    return doctest.DocTestParser().get_doctest(text, {}, name, None, None)


def run(shown: doctest.DocTest, keep: bool = False) -> str:
    """What went wrong in it. keep: shown.globs stay as they are at its end."""
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(shown, out=told.append, clear_globs=not keep)
    return "".join(told) if runner.failures else ""


if __name__ == "__main__":
    sys.exit(run(example(sys.argv[1], sys.stdin.read())) or 0)
