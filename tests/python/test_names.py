"""The names gevent and greenlet, and python -m grove."""

import importlib
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import grove
import pytest
from grove.names import aliases

BUILD = Path(grove.__file__).parents[2]


def python(*arguments, path="python", **kwargs):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(BUILD / path)},
        capture_output=True,
        text=True,
        timeout=60,
        **kwargs,
    )


CHECK = """
    import gevent, greenlet
    import gevent.socket
    from gevent import event
    from gevent.pool import Pool
    import grove, grove.event, grove.pool
    assert gevent is grove
    assert gevent.socket is grove.socket
    assert event is grove.event
    assert Pool is grove.pool.Pool
    assert gevent.socket.__name__ == gevent.socket.__spec__.name == "grove.socket"
    assert greenlet.greenlet is grove._core.greenlet
    assert gevent.getcurrent is greenlet.getcurrent
    assert gevent.greenlet is not greenlet
    assert issubclass(gevent.Greenlet, greenlet.greenlet)
    assert greenlet.GreenletExit is gevent.GreenletExit
    try:
        import gevent.no_such_module
    except ModuleNotFoundError as error:
        assert error.name == "gevent.no_such_module"
    else:
        raise SystemExit("imported what is not there")
    print("good")
"""


REFUSED = """
    import gevent, importlib.util
    def refused(statement):
        try:
            exec(statement)
        except ImportError as error:
            return str(error)
    none = "(Grove has none of that name)"
    assert refused("from gevent import sleep, no_such") == (
        f"cannot import name 'no_such' from 'gevent' {none}")
    assert refused("from gevent.resolver import no_such") == (
        f"cannot import name 'no_such' from 'gevent.resolver' {none}")
    assert refused("import gevent.no_such") == f"No module named 'gevent.no_such' {none}"
    assert refused("from gevent.no_such import it") == (
        f"No module named 'gevent.no_such' {none}")
    # The interpreter's own words: nobody is asked.
    assert refused("from gevent.queue import no_such").startswith(
        "cannot import name 'no_such' from 'grove.queue' (")
    assert refused("import grove.no_such") == "No module named 'grove.no_such'"
    assert importlib.util.find_spec("grove.no_such") is None
    assert not hasattr(gevent, "no_such")
    print("good")
"""


def test_names_that_are_not_there():
    result = python("-c", textwrap.dedent(REFUSED), path="compat")
    assert result.stdout == "good\n", result.stderr


def test_install_as_gevent():
    source = "import grove; grove.install_as_gevent(); grove.install_as_gevent()\n"
    result = python("-c", source + textwrap.dedent(CHECK))
    assert result.stdout == "good\n", result.stderr


def test_not_installed_by_itself():
    result = python("-I", "-S", "-c", "import greenlet")
    assert "ModuleNotFoundError" in result.stderr


def test_modules_that_are_there_at_once():
    names = "greenlet hub os timeout exceptions".split()
    source = f"import gevent; print(*(getattr(gevent, name).__name__ for name in {names}))"
    told = python("-c", source, path="compat").stdout.split()
    assert told == [f"grove.{name}" for name in names]


def test_compat_path():
    result = python("-c", textwrap.dedent(CHECK), path="compat")
    assert result.stdout == "good\n", result.stderr


def test_compat_greenlet_first():
    source = "from greenlet import greenlet; import gevent; print(gevent.__name__)"
    assert python("-c", source, path="compat").stdout == "grove\n"


def test_refuses_when_another_is_there():
    source = """
        import sys, types, grove
        sys.modules["greenlet"] = types.ModuleType("greenlet")
        grove.install_as_gevent()
    """
    result = python("-c", textwrap.dedent(source))
    assert "RuntimeError: another greenlet" in result.stderr


def test_python_m_gevent_monkey(tmp_path):
    (tmp_path / "program.py").write_text("import time; print(time.sleep.__module__)")
    result = python("-m", "gevent.monkey", tmp_path / "program.py", path="compat")
    assert result.stdout == "grove._core\n", result.stderr


#: gevent's private modules that programs import, with a name in each.
PRIVATE = {
    "_abstract_linkable": "AbstractLinkable",
    "_compat": "PY3",
    "_config": "config",
    "_ident": "IdentRegistry",
    "_imap": "IMapUnordered",
    "_interfaces": "ILoop",
    "_monitor": "PeriodicMonitoringThread",
    "_tblib": "dump_traceback",
    "_threading": "Queue",
    "_tracer": "GreenletTracer",
    "_util": "Lazy",
    "_waiter": "MultipleWaiter",
}

WAYS = [
    "import gevent.{module}; gevent.{module}.{name}",
    "from gevent.{module} import {name}",
    "from gevent import {module}; {module}.{name}",
    "import gevent; import gevent.{module} as m; m.{name} is gevent.{module}.{name}",
]


@pytest.mark.parametrize("way", WAYS, ids=range(len(WAYS)))
def test_private_modules_of_gevent(way):
    pytest.importorskip("zope.interface", reason="gevent._interfaces needs it")
    lines = [
        way.format(module=module, name=name) for module, name in PRIVATE.items()
    ]
    result = python("-c", "\n".join(lines), path="compat")
    assert result.returncode == 0, result.stderr


def test_private_modules_that_gevent_shows():
    """What `import gevent` leaves there, without an import of their own."""
    source = """
        import gevent
        for name in "_compat", "_config", "_ident", "_tblib", "_util", "_waiter":
            assert getattr(gevent, name).__name__.startswith("grove."), name
        assert "__getattr__" not in vars(gevent)
        print("good")
    """
    result = python("-c", textwrap.dedent(source), path="compat")
    assert result.stdout == "good\n", result.stderr


def test_private_modules_are_one_with_the_public_ones():
    source = """
        import gevent, gevent.hub, gevent.pool, gevent._config, gevent._imap
        import gevent._waiter, gevent._util, gevent._tracer, gevent.util
        assert gevent._config.config is gevent.config
        assert gevent._imap.IMap is gevent.pool.IMap
        assert gevent._waiter.Waiter is gevent.hub.Waiter
        assert gevent._tracer.GreenletTracer is gevent.util.GreenletTracer
        assert gevent._util.__spec__.name == gevent._util.__name__
        print("good")
    """
    result = python("-c", textwrap.dedent(source), path="compat")
    assert result.stdout == "good\n", result.stderr


#: Those that gevent's check of its own modules lets do without __all__.
WITHOUT_ALL = {"_compat", "_fileobjectcommon", "_fileobjectposix", "threading"}


def modules_of_gevent():
    ours = {m.name for m in pkgutil.iter_modules(grove.__path__) if not m.ispkg}
    return sorted((ours - {"__main__", "_core"}) | set(aliases.PRIVATE))


@pytest.mark.parametrize("name", modules_of_gevent())
def test_all_is_what_a_star_imports(name):
    """gevent's test__all__ walks its modules, private ones too, for this."""
    if name == "_interfaces":
        pytest.importorskip(
            "zope.interface",
            reason="they are interfaces of it: apt-get install python3-zope.interface",
        )
    module = importlib.import_module(aliases.PRIVATE.get(name, f"grove.{name}"))
    if not hasattr(module, "__all__"):
        assert name in WITHOUT_ALL
        return
    imported = {}
    exec(f"from {module.__name__} import *", imported)
    del imported["__builtins__"]
    assert sorted(imported) == sorted(module.__all__)


def test_rooms_are_not_gevents():
    source = """
        import importlib, pathlib, gevent
        folder = pathlib.Path(gevent.__file__).parent
        rooms = [path.parent.name for path in folder.glob("*/__init__.py")]
        assert "serving" in rooms and "private" in rooms
        rooms.remove("resolver")  # which gevent has, too
        for room in rooms + ["wsgi", "serving.input", "_no_such"]:
            try:
                importlib.import_module(f"gevent.{room}")
            except ModuleNotFoundError:
                continue
            raise SystemExit(f"gevent.{room} was found")
        try:
            from gevent import wsgi  # which gevent had before 1.3
        except ImportError:
            pass
        else:
            raise SystemExit("gevent.wsgi was found")
        assert not hasattr(gevent, "_no_such")
    """
    result = python("-c", textwrap.dedent(source), path="compat")
    assert result.returncode == 0, result.stderr


def test_python_m_gevent_config():
    result = python("-m", "gevent._config", path="compat")
    assert "GEVENT_RESOLVER" in result.stdout, result.stderr


def test_version_is_what_programs_look_for():
    assert tuple(map(int, grove.__version__.split("."))) >= (24, 10, 1)
    assert grove.version_info[:3] == tuple(map(int, grove.__version__.split(".")))
    assert set(grove.__all__) <= set(dir(grove))


# ---- python -m grove -------------------------------------------------------


def write(tmp_path, source):
    path = tmp_path / "app.py"
    path.write_text(textwrap.dedent(source))
    return path


def test_runs_as_main(tmp_path):
    app = write(
        tmp_path,
        """
        import __main__, sys, gevent
        assert __name__ == "__main__"
        print(sys.argv, sys.path[0], __file__)
        print(__main__.__dict__ is globals())
        """,
    )
    result = python("-m", "grove", app, "-x", "--version")
    assert result.stdout == (
        f"{[str(app), '-x', '--version']} {tmp_path} {app}\nTrue\n"
    ), result.stderr


def test_runs_modules(tmp_path):
    write(tmp_path, "import sys, gevent; print(__name__, sys.argv[1:])")
    result = python("-m", "grove", "-m", "app", "x", cwd=tmp_path)
    assert result.stdout == "__main__ ['x']\n", result.stderr


def test_tracebacks_show_the_program_only(tmp_path):
    app = write(tmp_path, "def f():\n    1 / 0\nf()\n")
    result = python("-m", "grove", app)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{app}", line 3, in <module>'
    assert "runpy" not in result.stderr and "__main__.py" not in result.stderr


def test_syntax_error(tmp_path):
    result = python("-m", "grove", write(tmp_path, "1 +\n"))
    assert result.returncode == 1
    assert "SyntaxError" in result.stderr and "runpy" not in result.stderr


@pytest.mark.parametrize("code", [0, 3])
def test_exit_status(tmp_path, code):
    app = write(tmp_path, f"raise SystemExit({code})")
    assert python("-m", "grove", app).returncode == code


def test_keyboard_interrupt(tmp_path):
    app = write(tmp_path, "raise KeyboardInterrupt")
    result = python("-m", "grove", app)
    assert result.returncode == -signal.SIGINT
    assert result.stderr.endswith("KeyboardInterrupt\n")


def test_a_folder_and_an_archive(tmp_path):
    write(tmp_path, "").rename(tmp_path / "__main__.py")
    (tmp_path / "__main__.py").write_text("print('main')")
    assert python("-m", "grove", tmp_path).stdout == "main\n"
    archive = shutil.make_archive(tmp_path / "app", "zip", tmp_path, "__main__.py")
    assert python("-m", "grove", archive).stdout == "main\n"


def test_bad_command_lines(tmp_path):
    result = python("-m", "grove", "no-such.py")
    assert result.returncode == 2
    assert "can't open file 'no-such.py': No such file or directory" in result.stderr
    result = python("-m", "grove", tmp_path)
    assert result.returncode == 2
    assert result.stderr == (
        f"python -m grove: can't find '__main__' module in '{tmp_path}'\n"
    )
    result = python("-m", "grove", "-m", "no_such")
    assert result.returncode == 2 and "No module named 'no_such'" in result.stderr
    result = python("-m", "grove")
    assert result.returncode == 2 and "usage:" in result.stderr
    result = python("-m", "grove", "--bogus")
    assert result.returncode == 2 and "--bogus" in result.stderr
    assert python("-m", "grove", "--help").stdout.startswith("usage:")
    assert "grove" in python("-m", "grove", "--version").stdout
