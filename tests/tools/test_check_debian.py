"""Tests in other releases of Debian: what stands in the way is said."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from making import roots
from making.roots import CannotRun, Root

from build_tree import ROOT

CANNOT_RUN = 77


def check_debian(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [ROOT / "tools/check-debian", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def root_in(place: Path, mirror: str = "http://127.0.0.1:9/debian") -> Root:
    return Root("trixie", place, mirror, lambda text: None)


@pytest.mark.parametrize(
    "wrong, said",
    [
        (["trixie", "nonsense"], "no part 'nonsense'"),
        (["trixie", "--python", "three"], "no version of Python 'three'"),
        ([], "required: release"),
        (["lenny"], "no release 'lenny'; there are bookworm trixie forky"),
    ],
)
def test_a_wrong_command_line(wrong: list[str], said: str):
    refused = check_debian(*wrong)
    assert refused.returncode == 2 and said in refused.stderr


def test_without_mmdebstrap_it_says_so(tmp_path: Path):
    (tmp_path / "python3").symlink_to("/usr/bin/python3")
    refused = check_debian("trixie", "--place", tmp_path, PATH=str(tmp_path))
    assert refused.returncode == CANNOT_RUN
    reason = "as root only" if os.geteuid() else "apt-get install mmdebstrap"
    assert refused.stdout.startswith("check-debian: cannot run here: ")
    assert reason in refused.stdout and refused.stderr == ""


def test_without_an_archive_no_root_is_made(tmp_path: Path):
    with pytest.raises(CannotRun, match="archive cannot be reached: http://127.0.0.1:9"):
        root_in(tmp_path).make()
    assert list(tmp_path.iterdir()) == []


def test_the_lists_that_mmdebstrap_leaves_out_are_fetched_first(tmp_path: Path):
    (tmp_path / "trixie").mkdir()
    with pytest.raises(CannotRun, match="archive cannot be reached: http://127.0.0.1:9"):
        root_in(tmp_path).known_pythons()


def test_two_do_not_use_one_root(tmp_path: Path):
    root = root_in(tmp_path)
    with open(tmp_path / "trixie.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CannotRun, match="another run uses"), root.locked():
            pass
    with root.locked():
        pass


def test_a_root_with_something_mounted_in_it_stays(tmp_path: Path, monkeypatch):
    root = root_in(tmp_path)
    (root.path / "etc").mkdir(parents=True)
    monkeypatch.setattr(roots, "is_mounted_below", lambda path: True)
    with pytest.raises(CannotRun, match="something is mounted below"):
        root.remove()
    monkeypatch.undo()
    root.remove()
    assert not root.path.exists()


def test_mounts_are_seen(tmp_path: Path):
    assert roots.is_mounted_below(Path("/proc")) and roots.is_mounted_below(Path("/"))
    assert not roots.is_mounted_below(tmp_path)
