"""Packages made of this checkout: on this machine, and in roots of releases."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from build_tree import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from making.roots import CannotRun, require_machine  # noqa: E402
from releases import RELEASES, Release  # noqa: E402


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the wheels for this machine's interpreter."""
    missing = [m for m in ("pip", "ensurepip", "mesonpy") if not find_spec(m)]
    if missing or not shutil.which("patchelf"):
        pytest.skip(
            f"{' '.join(missing) or 'patchelf'}: wheels are made and tried with what"
            " tools/setup package installs"
        )
    build = tmp_path_factory.mktemp("wheels")
    made = subprocess.run(
        [ROOT / "tools/packages", "wheel"],
        env={**os.environ, "BUILD": str(build), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    return build / "packages"


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    """A release of Debian, with packages of ours that were made in it."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as held:
        try:
            require_machine()
            # Making takes minutes, and what it is at is to be seen.
            with capture.global_and_fixture_disabled():
                used = held.enter_context(Release(request.param).in_use())
        except CannotRun as reason:
            pytest.skip(f"no root of {request.param}: {reason}")
        yield used
