"""Debian packages and wheels: made, installed, used and removed in each release."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from releases import BUILDS, PACKAGES, Release

from build_tree import ROOT

DEBS = [
    *("libgrove0", "libgrove-tls0", "libgrove-http0", "libgrove-patch0", "libgrove-dev"),
    *("grove", "python3-grove", "python3-grove-gevent"),
]
SERVE = "%s debian/tests/gevent-names"


def stanzas() -> list[dict[str, str]]:
    """Those of debian/tests/control."""
    text = (ROOT / "debian/tests/control").read_text()
    return [
        dict(line.split(": ", 1) for line in stanza.splitlines())
        for stanza in text.strip().split("\n\n")
    ]


def names_in(depends: str) -> tuple[str, str]:
    """The packages of ours and of the archive, as words."""
    names = depends.split(", ")
    return (
        " ".join(name for name in names if name in DEBS),
        " ".join(name for name in names if name not in DEBS),
    )


def needed_of_ours(name: str) -> str:
    """A package of ours with those of ours that it depends on, as words."""
    libraries = "libgrove0 libgrove-patch0"
    return {
        "libgrove-dev": f"{libraries} libgrove-tls0 libgrove-http0 libgrove-dev",
        "grove": f"{libraries} grove",
        "python3-grove": f"{libraries} python3-grove",
        "python3-grove-gevent": f"{libraries} python3-grove python3-grove-gevent",
    }[name]


def test_lintian_finds_no_error(release: Release):
    look = "lintian --allow-root --fail-on error --tag-display-limit 0 *.changes"
    told = release.make(["sh", "-c", f"cd {BUILDS}/packages && {look}"])
    assert "E: " not in told


def test_no_object_claims_to_work_with_a_shadow_stack(release: Release, tmp_path: Path):
    """Whatever hardening the release has: a switch between stacks breaks one."""
    for name in ("libgrove0", "libgrove-patch0", "python3-grove"):
        (deb,) = release.packages.glob(f"{name}_*.deb")
        subprocess.check_call(["dpkg-deb", "--extract", deb, tmp_path])
    objects = [p for p in tmp_path.rglob("*.so*") if p.is_file() and not p.is_symlink()]
    assert len(objects) == 3
    for path in objects:
        notes = subprocess.check_output(["readelf", "--notes", path], text=True)
        assert "SHSTK" not in notes
        assert "BIND_NOW" in subprocess.check_output(["readelf", "-d", path], text=True)


@pytest.mark.parametrize("stanza", stanzas(), ids=lambda stanza: stanza["Tests"])
def test_what_is_installed_works(release: Release, stanza: dict[str, str]):
    """The tests that autopkgtest runs, each with its packages alone."""
    ours, others = names_in(stanza["Depends"])
    release.try_out(
        f"get install {others} $(ours {needed_of_ours(ours)})\n"
        f"debian/tests/{stanza['Tests']}"
    )


def test_removal_leaves_nothing(release: Release):
    told = release.try_out(
        f"""
        get install gunicorn python3-flask
        files >/tmp/before
        get install $(ours {' '.join(DEBS)})
        files >/tmp/installed
        {SERVE % "python3"}
        get purge '?source-package(^grove$)'
        get autoremove --purge
        files >/tmp/after
        comm -13 /tmp/before /tmp/installed | grep -c . | sed 's/^/added: /'
        diff /tmp/before /tmp/after && echo all is as it was
        """
    )
    assert "all is as it was" in told
    assert "served by gevent" in told


def test_gevent_beside_the_package_and_in_its_names_stead(release: Release):
    told = release.try_out(
        f"""
        get install python3-gevent $(ours {needed_of_ours("python3-grove")})
        look() {{
            python3 -c 'import gevent.pool, greenlet, sys
print(sys.argv[1], gevent.__name__, gevent.pool.Pool(2).map(abs, [-1]))' "$1"
        }}
        look beside:
        echo 'import gevent; print("by grove:", gevent.__name__)' >/tmp/app.py
        python3 -m grove /tmp/app.py
        get install $(ours python3-grove-gevent)
        dpkg-query --show --showformat '${{db:Status-Abbrev}}' python3-gevent ||
            echo its package is gone
        look names:
        get purge python3-grove-gevent
        get install python3-gevent
        look again:
        """
    )
    assert "beside: gevent [1]" in told
    assert "by grove: grove" in told
    assert "names: grove [1]" in told
    assert "again: gevent [1]" in told


def test_wheel_in_a_virtual_environment(release: Release):
    told = release.try_out(
        f"""
        get install gunicorn python3-flask python3-venv liburing2 \
            $(apt-cache pkgnames libcares2) $(apt-cache pkgnames libc-ares2) \
            $(apt-cache pkgnames libllhttp9)
        python3 -m venv --system-site-packages /opt/venv
        files >/tmp/before
        pip() {{ /opt/venv/bin/python -m pip --disable-pip-version-check "$@"; }}
        pip install --no-index {PACKAGES}/*.whl
        {SERVE % "/opt/venv/bin/python"}
        /opt/venv/bin/python -c '
import grove, ctypes
from grove import monkey
monkey.patch_libc()
print({{line.split()[-1] for line in open("/proc/self/maps") if "libgrove" in line}})'
        pip uninstall --yes gevent greenlet grove
        files >/tmp/after
        diff /tmp/before /tmp/after && echo all is as it was
        """
    )
    assert "served by gevent" in told
    assert "all is as it was" in told
    loaded = told.rpartition("{")[2].partition("}")[0]
    paths = sorted(path.strip(" '") for path in loaded.split(","))
    assert [os.path.basename(path) for path in paths] == [
        "libgrove-patch.so.0",
        "libgrove.so.0",
    ]
    assert all("/opt/venv/lib/python3" in path and "grove.libs" in path for path in paths)


def test_requirements_are_met_by_the_names_alone(release: Release):
    """Of gunicorn, celery and SQLAlchemy, by pip, which may fetch nothing."""
    told = release.try_out(
        f"""
        get install gunicorn celery python3-sqlalchemy python3-venv liburing2 \
            $(apt-cache pkgnames libcares2) $(apt-cache pkgnames libc-ares2) \
            $(apt-cache pkgnames libllhttp9)
        python3 -m venv --system-site-packages /opt/venv
        pip() {{ /opt/venv/bin/python -m pip --disable-pip-version-check "$@"; }}
        meets() {{
            for need in 'gunicorn[gevent]' 'celery[gevent]' 'sqlalchemy[asyncio]'; do
                pip install --no-index "$need" 2>&1 | grep "already satisfied: g" |
                    sed "s/.*satisfied/$1/" || true
            done
        }}
        pip install --no-index {PACKAGES}/grove-*.whl
        meets alone
        pip install --no-index {PACKAGES}/g*-none-any.whl
        meets names
        """
    )
    # Of celery more is missing in Debian's packages: tzdata, as a distribution.
    met = re.findall(
        r"^(alone|names): (gevent|greenlet)\S* in /opt/venv/\S* \(from (\w+)", told, re.M
    )
    assert set(met) == {
        ("names", "gevent", "gunicorn"),
        ("names", "gevent", "celery"),
        ("names", "greenlet", "sqlalchemy"),
        ("names", "greenlet", "gevent"),  # ours: they belong together
    }
