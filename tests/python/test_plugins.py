"""Entry points of other distributions that listen to gevent's events, each case in
a process of its own."""

import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

GROUP = "gevent.plugins.monkey.did_patch_all"
PLUGIN = "def listen(event):\n    print(type(event).__name__)\n"
ENTRY_POINTS = f"""\
[console_scripts]
other = elsewhere:main

[{GROUP}]
# a comment = elsewhere:main
example = example_plugin:listen
"""
PATCH = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from gevent import monkey
    monkey.patch_all()
"""


def run(source, *arguments):
    """What source, started with arguments, prints."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(compat())},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def compat():
    """Where the package is called gevent."""
    import grove

    return Path(grove.__file__).parent.parent.parent / "compat"


def files(name, entry_points):
    return {
        "example_plugin.py": PLUGIN,
        f"{name}/entry_points.txt": entry_points,
        f"{name}/METADATA": "Metadata-Version: 2.1\nName: example\nVersion: 1\n",
        f"{name}/PKG-INFO": "Metadata-Version: 1.0\nName: example\nVersion: 1\n",
    }


def install(folder, name, entry_points):
    for path, text in files(name, entry_points).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)


@pytest.mark.parametrize("name", ["example-1.dist-info", "example.egg-info"])
def test_is_called(tmp_path, name):
    install(tmp_path, name, ENTRY_POINTS)
    assert run(PATCH, tmp_path) == "GeventDidPatchAllEvent\n"


def test_is_called_in_an_archive(tmp_path):
    archive = tmp_path / "example.whl"
    with zipfile.ZipFile(archive, "w") as file:
        for path, text in files("example-1.dist-info", ENTRY_POINTS).items():
            file.writestr(path, text)
    assert run(PATCH, archive) == "GeventDidPatchAllEvent\n"


def test_is_called_where_a_finder_knows_it(tmp_path):
    install(tmp_path, "example-1.dist-info", ENTRY_POINTS)
    source = """
        import sys
        from importlib.machinery import PathFinder

        class Finder:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "example_plugin":
                    return PathFinder.find_spec(name, [sys.argv[1]])

            @staticmethod
            def find_distributions(context):
                from importlib.metadata import Distribution
                return Distribution.discover(name=context.name, path=[sys.argv[1]]) \\
                    if context.path == sys.path else ()

        sys.meta_path.append(Finder)
        from gevent import monkey
        monkey.patch_all()
    """
    assert run(source, tmp_path) == "GeventDidPatchAllEvent\n"


def test_gevents_own_are_not_called(tmp_path):
    own = ENTRY_POINTS.replace("example_plugin:listen", "gevent.no_such:thing")
    install(tmp_path, "gevent-22.dist-info", own)
    assert run(PATCH, tmp_path) == ""


def test_one_that_cannot_be_imported_is_told(tmp_path):
    broken = ENTRY_POINTS.replace("example_plugin:listen", "no_such_module:thing")
    install(tmp_path, "example-1.dist-info", broken)
    with pytest.raises(AssertionError, match="no_such_module"):
        run(PATCH, tmp_path)


def test_a_group_of_any_name(tmp_path):
    install(tmp_path, "example-1.dist-info", ENTRY_POINTS.replace(GROUP, "own.group"))
    source = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from gevent import events

        class Event:
            ENTRY_POINT_NAME = "own.group"

        events.notify_and_call_entry_points(Event())
    """
    assert run(source, tmp_path) == "Event\n"


@pytest.mark.parametrize("module", ["importlib.metadata", "dataclasses", "inspect"])
def test_patching_does_not_import_what_it_need_not(tmp_path, module):
    """Each of these takes a fifth of the time that patching takes, or more."""
    if run(f"import sys, traceback; print({module!r} in sys.modules)", tmp_path) == (
        "True\n"
    ):
        pytest.skip(f"the standard library's traceback imports {module}, from 3.14 on")
    others = "[console_scripts]\nother = elsewhere:main\n"
    install(tmp_path, "example-1.dist-info", others)
    source = PATCH + f"    print({module!r} in sys.modules)"
    assert run(source, tmp_path) == "False\n"
