"""The version is one, wherever it is said."""

import re
import tomllib

from build_tree import ROOT


def found(pattern: str, path: str) -> str:
    return re.search(pattern, (ROOT / path).read_text(), re.M)[1]


def version() -> str:
    return found(r"^ +version: '([\d.]+)'", "meson.build")


def test_the_header_has_it():
    parts = ("MAJOR", "MINOR", "PATCH")
    macros = [
        found(rf"^#define GROVE_VERSION_{part} (\d+)$", "include/grove/base.h")
        for part in parts
    ]
    assert ".".join(macros) == version()


def test_the_package_has_it():
    said = found(r'^grove_version = "([\d.]+)"$', "python/grove/names/versions.py")
    assert said == version()


def test_the_changelogs_have_it():
    assert found(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", "CHANGELOG.md") == version()
    assert found(r"^grove \(([\d.]+)\)", "debian/changelog") == version()


def number(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def test_no_symbol_is_of_a_version_to_come():
    """A package of this version would not be asked for by who needs it."""
    symbols = [path.read_text() for path in (ROOT / "debian").glob("*.symbols")]
    versions = [v for text in symbols for v in re.findall(r"^ \S+@\S+ ([\d.]+)$", text, re.M)]
    assert len(versions) > 100
    assert max(map(number, versions)) <= number(version())


def project(path: str) -> dict:
    return tomllib.loads((ROOT / path).read_text())["project"]


def test_the_names_have_the_versions_that_they_report():
    gevent = found(r'^__version__ = "([\d.]+)"$', "python/grove/names/versions.py")
    greenlet = found(r'^__version__ = "([\d.]+)"$', "python/grove/_greenlet/__init__.py")
    for name, reported in (("gevent", gevent), ("greenlet", greenlet)):
        folder = f"python/compat/{name}"
        assert project(f"{folder}/pyproject.toml")["version"] == reported
        assert found(r"version: '([\d.]+)'", f"{folder}/meson.build") == reported
    needed = project("python/compat/gevent/pyproject.toml")["dependencies"]
    assert f"greenlet == {greenlet}" in needed
