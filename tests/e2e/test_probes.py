"""The library's probes: what they are called, and that a tracer stops at them."""

import shutil
import subprocess

import pytest

from build_tree import BUILD

LIBRARY = BUILD / "src" / "libgrove.so.0"
PROGRAM = BUILD / "examples" / "switch_order"
#: Of each, how many arguments it has; in the order in which PROGRAM comes by.
PROBES = {"spawn": 3, "park": 3, "switch": 2, "wake": 3, "end": 2}


def notes() -> str:
    return subprocess.check_output(["readelf", "-nW", LIBRARY], text=True)


with_probes = pytest.mark.skipif(
    "stapsdt" not in notes(),
    reason="the library was built without probes: apt-get install systemtap-sdt-dev",
)


@with_probes
def test_the_notes_name_every_probe_and_its_arguments():
    found = {}
    for note in notes().split("Provider: grove\n")[1:]:
        fields = dict(line.strip().split(": ", 1) for line in note.splitlines()[:3])
        assert int(fields["Location"].rsplit(" ", 1)[1], 16), "semaphore"
        found[fields["Name"]] = len(fields["Arguments"].split())
    assert found == PROBES


@with_probes
def test_a_debugger_stops_at_them():
    """It sets the semaphore, without which none is passed."""
    if not shutil.which("gdb"):
        pytest.skip("a tracer is wanted: apt-get install gdb")
    commands = ["break main", "run"]
    for probe in PROBES:
        commands += [
            f"break -probe-stap grove:{probe}",
            "continue",
            f'printf "{probe} %d %d\\n", $_probe_argc, $_probe_arg0',
            "delete",
        ]
    arguments = [word for command in commands for word in ("-ex", command)]
    said = subprocess.run(
        ["gdb", "-q", "-batch", *arguments, PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
    )
    numbers = {
        line.split()[0]: [int(word) for word in line.split()[1:]]
        for line in said.stdout.splitlines()
        if line.split()[:1] and line.split()[0] in PROBES
    }
    assert {probe: told[0] for probe, told in numbers.items()} == PROBES, said
    # The thread's own stack is the fiber 1, the hub's 2.
    assert numbers["spawn"][1] == 3
