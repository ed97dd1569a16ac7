"""The package as it is laid out in the build directory."""

from build_tree import BUILD, ROOT


def test_compat_has_the_same_package():
    package = BUILD / "python" / "grove"
    assert (BUILD / "compat" / "grove").resolve() == package.resolve()


def test_every_source_is_linked():
    source = ROOT / "python" / "grove"
    for path in source.rglob("*.py"):
        link = BUILD / "python" / "grove" / path.relative_to(source)
        assert link.resolve() == path.resolve()
