"""What the Python benchmarks share: turns with a peer, and the line they print.

A benchmark is a program written for greenlet or gevent, and a function of it is
measured. The program starts itself again and again, by turns with the packages
of those names and with ours in their place (the compat/ folder of the build),
so that a busy machine troubles both alike. A line has the least of our figures
and the median of the ratios within each round. A peer that is not installed is
left out.

GROVE_BUILD is the build directory; build/ beside this folder if it is not set.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

BUILD = Path(os.environ.get("GROVE_BUILD", Path(__file__).parent.parent / "build"))


def status(key: str) -> int:
    """A line of the process's status, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB$", text, re.M)[1]) * 1024


def environment(ours: bool) -> dict[str, str]:
    """Of a program that imports our packages, or those that are installed."""
    variables = {**os.environ, "PYTHONHASHSEED": "0"}
    variables.pop("PYTHONPATH", None)
    if ours:
        variables["PYTHONPATH"] = str((BUILD / "compat").absolute())
    return variables


def run_child(ours: bool, arguments: list[str]) -> list[float]:
    printed = subprocess.check_output(
        [sys.executable, sys.argv[0], "--measure", *arguments],
        env=environment(ours),
        text=True,
    )
    return [float(number) for number in printed.split()]


def peer_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def report(
    name: str, value: float, unit: str, ratio: float | None, peer: str
) -> None:
    """Print a line; ratio is ours to the peer's, None without a peer."""
    line = f"{name:<18} {value:10.2f} {unit}"
    if ratio is not None:
        line += f", {ratio:.3f} x {peer}"
    print(line, flush=True)


def compare(
    name: str,
    measure: Callable[..., tuple[float, ...] | float],
    package: str,
    *arguments: int,
    rounds: int,
    unit: str = "ns",
    less_is_speed: bool = True,
    is_ratio: bool = False,
) -> None:
    """Print a line for what measure(*arguments) returns. Of a tuple the first
    figure counts; unit has places for all. If they are ratios, of which the least
    is the one that noise has favoured, the line has their medians."""
    if sys.argv[1:2] == ["--measure"]:
        figures = measure(*map(int, sys.argv[2:]))
        print(*(figures if isinstance(figures, tuple) else (figures,)))
        sys.exit()
    peer = peer_version(package)
    if peer is None:
        print(f"bench: {name}: no {package} here to compare with", file=sys.stderr)
    texts = [str(argument) for argument in arguments]
    ours, ratios = [], []
    for _ in range(rounds):
        ours.append(run_child(True, texts))
        if peer is not None:
            theirs = run_child(False, texts)
            ratios.append(theirs[0] / ours[-1][0])
    figures = [median(column) for column in zip(*ours)] if is_ratio else min(ours)
    line = f"{name:<18} {figures[0]:10.2f} {unit.format(*figures)}"
    if ratios:
        ratio = median(ratios)
        line += (
            f", {ratio:.2f} x the speed of {package} {peer}"
            if less_is_speed
            else f", {1 / ratio:.3f} x {package} {peer}"
        )
    print(line, flush=True)
