"""What the parts of the tests hand on to what they run."""

from pathlib import Path

import pytest
from making.parts import Job
from making.progress import Progress


def test_settings_of_somebodys_shell_do_not_reach_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("GROVE_SPIN", "GROVE_STALLS", "GROVE_BUILD", "GEVENT_RESOLVER"):
        monkeypatch.setenv(name, "theirs")
    for name in ("GROVE_FUZZ_SEED", "GROVE_SEEDS", "OTHERS"):
        monkeypatch.setenv(name, "for us")
    log = tmp_path / "log"
    Job(log, Progress("it")).run(["env"], {"GROVE_BUILD": "ours"})
    seen = log.read_text().splitlines()
    assert not [line for line in seen if line.endswith("=theirs")]
    for line in ("GROVE_BUILD=ours", "GROVE_STALLS=0", "GROVE_SEEDS=for us"):
        assert line in seen
    assert "GROVE_FUZZ_SEED=for us" in seen and "OTHERS=for us" in seen
