"""What a program does, told in lines: its native threads and its greenlets."""

import sys
import threading
import time
from typing import TextIO

from grove.monitoring.tree import GreenletTree, format_stack
from grove.stdlib import natives

__all__ = ["format_run_info", "gmctime", "print_run_info"]


def gmctime() -> str:
    """The time now, as in 2026-05-20T10:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def format_run_info(
    thread_stacks: bool = True,
    greenlet_stacks: bool = True,
    limit: int | None = None,
    current_thread_ident: int | None = None,
) -> list[str]:
    """Lines about what the program does.

    Args:
        thread_stacks: whether the stacks of native threads are told of.
        greenlet_stacks: whether those of greenlets are.
        limit: how many frames of a stack at most; None: 20.
        current_thread_ident: which thread is marked as the current one; None:
            the calling one.

    >>> from grove.util import format_run_info
    >>> "* Greenlets" in format_run_info()
    True
    """
    lines: list[str] = []
    _format_threads(lines, thread_stacks, limit, current_thread_ident)
    _format_greenlets(lines, greenlet_stacks, limit)
    return lines


def _headline(lines: list[str], text: str) -> None:
    lines.extend(("*" * 80, f"* {text}", "*" * 80))


def _format_threads(
    lines: list[str], stacks: bool, limit: int | None, current: int | None
) -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    if current is None:
        current = natives.get_ident()
    _headline(lines, "Threads")
    for ident, frame in sys._current_frames().items():
        mark = " (CURRENT)" if ident == current else ""
        lines.append(f"Thread {ident:#x} ({names.get(ident)}){mark}\n")
        if stacks:
            lines.append(format_stack(frame, limit))
    lines.append("")


def _format_greenlets(lines: list[str], stacks: bool, limit: int | None) -> None:
    _headline(lines, "Greenlets")
    for tree in sorted(GreenletTree.forest(), key=lambda t: not t.is_current_tree):
        lines.append("---- Thread boundary")
        lines.extend(
            tree.format_lines(
                details={
                    # Those of the current thread's current greenlet are there.
                    "running_stacks": stacks,
                    "running_stack_limit": limit,
                }
            )
        )


def print_run_info(
    thread_stacks: bool = True,
    greenlet_stacks: bool = True,
    limit: int | None = None,
    file: TextIO | None = None,
) -> None:
    """Print what format_run_info() tells to file; None is standard error.

    >>> import io
    >>> from grove.util import print_run_info
    >>> told = io.StringIO()
    >>> print_run_info(file=told)
    >>> "Greenlets" in told.getvalue()
    True
    """
    lines = format_run_info(thread_stacks, greenlet_stacks, limit)
    print("\n".join(lines), file=file or sys.stderr)
