"""The package as it is laid out in the build directory."""

from importlib.metadata import PathDistribution

import grove
from grove import _greenlet

from build_tree import BUILD, ROOT


def test_compat_has_the_same_package():
    package = BUILD / "python" / "grove"
    assert (BUILD / "compat" / "grove").resolve() == package.resolve()


def test_every_source_is_linked():
    source = ROOT / "python" / "grove"
    for path in source.rglob("*.py"):
        link = BUILD / "python" / "grove" / path.relative_to(source)
        assert link.resolve() == path.resolve()


def test_metadata_has_the_versions_that_the_modules_report():
    told = {
        name: PathDistribution(folder).version
        for folder in (BUILD / "compat").glob("*.dist-info")
        for name in [folder.name.partition("-")[0]]
    }
    assert told == {
        "grove": grove.grove_version,
        "gevent": grove.__version__,
        "greenlet": _greenlet.__version__,
    }


def test_only_what_has_the_names_says_that_it_is_gevent():
    told = sorted(p.name for p in (BUILD / "python").glob("*.dist-info"))
    assert told == [f"grove-{grove.grove_version}.dist-info"]


def test_every_module_has_a_stub_by_the_name_of_gevent():
    ours = {"__main__", "gunicorn", "serve", "stalls"}  # which gevent has not
    package, names = ROOT / "python" / "grove", BUILD / "compat" / "gevent"
    modules = {path.stem for path in package.glob("*.py")} - ours
    modules |= {f"resolver/{path.stem}" for path in package.glob("resolver/*.py")}
    modules.remove("resolver/abstract")
    stubs = {str(p.relative_to(names).with_suffix("")) for p in names.rglob("*.pyi")}
    assert modules == stubs
