"""docs/c-guide.md shows the programs of examples/guide and what they print."""

import re
import subprocess

import pytest

from build_tree import BUILD, ROOT

STEPS = re.findall(
    r"^## (\d+)\. .*?\]\(\.\./(examples/guide/\w+)\.c\):\n\n"
    r"```c\n(.*?)```\n\n```text\n(.*?)```$",
    (ROOT / "docs" / "c-guide.md").read_text(),
    re.M | re.S,
)


def test_there_are_ten_in_order():
    assert [int(number) for number, *_ in STEPS] == list(range(1, 11))
    named = {f"{program}.c" for _, program, *_ in STEPS}
    there = {str(path.relative_to(ROOT)) for path in ROOT.glob("examples/guide/*.c")}
    assert named == there


@pytest.mark.parametrize("number, program, code, output", STEPS, ids=[s[1][15:] for s in STEPS])
def test_a_step(number: str, program: str, code: str, output: str):
    shown = (ROOT / f"{program}.c").read_text()
    assert code == shown[shown.index("#include") :]
    ran = subprocess.run([BUILD / program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, output, "")
