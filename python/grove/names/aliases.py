"""The names `gevent` and `greenlet` for the modules of this package.

`gevent` is this package itself and `gevent.socket` is `grove.socket`: the very
same module objects, so that a class or a patched function is one thing whatever
name it was reached by. Submodules are imported when they are first asked for.
The rooms of this package are not gevent's and have no such name; gevent's private
modules that programs import nevertheless have, and stand in those rooms.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import CodeType, FrameType, ModuleType

_REAL = "grove."

#: gevent's private modules that programs import, and some by their old names, and
#: which modules have what they look for there.
PRIVATE = {
    "_abstract_linkable": "grove.sync.linkable",
    "_compat": "grove.private.compat",
    "_config": "grove.settings.config",
    "_fileobjectcommon": "grove.files.objects",
    "_fileobjectposix": "grove.files.objects",
    "_ident": "grove.hubs.ident",
    "_imap": "grove.sync.imap",
    "_interfaces": "grove.private.interfaces",
    "_socket3": "grove.socket",
    "_socketcommon": "grove.socket",
    "_ssl3": "grove.ssl",
    "_monitor": "grove.monitoring.thread",
    "_tblib": "grove.private.tblib",
    "_threading": "grove.private.threading",
    "_tracer": "grove.monitoring.tracer",
    "_util": "grove.private.util",
    "_waiter": "grove.sync.waiter",
    "ares": "grove.resolver.ares",
    "resolver_ares": "grove.resolver.ares",
    "resolver_thread": "grove.resolver.thread",
}

#: Those that are attributes of gevent as soon as it is imported. (_interfaces, too,
#: is one there; it needs zope.interface, and whoever wants it imports it.)
_SHOWN = ("_compat", "_config", "_ident", "_tblib", "_util", "_waiter")

#: The folders that gevent has too; the others are rooms of this package.
_PACKAGES = frozenset(("resolver",))


def real_name(name: str) -> str:
    """The module of this package, or the name in one, that gevent's name stands
    for; any other name is its own."""
    package, dot, path = name.partition(".")
    if not dot or package not in ("gevent", "grove"):
        return name
    first, dot, rest = path.partition(".")
    return PRIVATE.get(first, _REAL + first) + dot + rest


# (Neither class derives from those of importlib.abc: its import takes 15 ms.)
class _AliasLoader:
    """Loads gevent.x as the module grove.x."""

    def __init__(self, real_name: str) -> None:
        self.real_name = real_name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real_name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the alias's spec there.
        module.__spec__ = self.spec

    # For runpy: python -m gevent.monkey.
    def get_code(self, fullname: str) -> CodeType | None:
        spec = importlib.util.find_spec(self.real_name)
        return spec.loader.get_code(self.real_name)  # type: ignore[union-attr]

    def get_source(self, fullname: str) -> str | None:
        spec = importlib.util.find_spec(self.real_name)
        return spec.loader.get_source(self.real_name)  # type: ignore[union-attr]

    def is_package(self, fullname: str) -> bool:
        spec = importlib.util.find_spec(self.real_name)
        return spec.submodule_search_locations is not None  # type: ignore[union-attr]


class _AliasFinder:
    """Finds gevent.x where gevent has it and this package too, and nothing else of
    gevent.

    `from gevent import _util` asks for grove._util, which is the package's own
    name: gevent's private modules are found by that, too.
    """

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        found = real_name(fullname)
        if found == fullname:
            return None
        real = importlib.util.find_spec(found)
        is_package = real is not None and real.submodule_search_locations is not None
        if real is None or (is_package and found[len(_REAL) :] not in _PACKAGES):
            raise ModuleNotFoundError(
                f"No module named {fullname!r} (Grove has none of that name)",
                name=fullname,
            )
        spec = ModuleSpec(
            fullname,
            _AliasLoader(found),  # type: ignore[arg-type]
            origin=real.origin,
            is_package=is_package,
        )
        spec.has_location = real.has_location
        return spec


class _NameRefuser:
    """The last finder that is asked: `from gevent import x`, of a name that nobody
    has, would else be told as a fault of grove's.

    (Of a module that is no package the import system asks nobody.)
    """

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> None:
        package, _, name = fullname.rpartition(".")
        if fullname.startswith(_REAL) and _is_from_import():
            asked = package.replace("grove", "gevent", 1)
            raise ImportError(
                f"cannot import name {name!r} from {asked!r}"
                " (Grove has none of that name)",
                name=asked,
            )


def _is_from_import() -> bool:
    """Whether it is a name that from ... import asks a package for."""
    frame: FrameType | None = sys._getframe(2)
    while frame and frame.f_code.co_filename.startswith("<frozen importlib"):
        if frame.f_code.co_name == "_handle_fromlist":
            return True
        frame = frame.f_back
    return False


_finder = _AliasFinder()
_refuser = _NameRefuser()


def _install(modules: dict[str, ModuleType]) -> None:
    """Put these modules under these names, unless something else is there."""
    for name, ours in modules.items():
        there = sys.modules.get(name)
        # The module of that name in compat/ is what calls this function.
        if there not in (None, ours) and not getattr(there, "_is_grove", False):
            raise RuntimeError(
                f"another {name} has been imported already, "
                f"from {getattr(there, '__file__', 'unknown')}: "
                "Grove is to be imported before it"
            )
    sys.modules.update(modules)


def _raw() -> dict[str, ModuleType]:
    raw = importlib.import_module("grove._greenlet")
    return {"greenlet": raw, "greenlet._greenlet": raw._greenlet}


def install_as_greenlet() -> None:
    """Make `import greenlet` mean this package's raw greenlet, and nothing else:
    another gevent, or SQLAlchemy, then runs on it.

    Call it before anything imports greenlet; calling it again does nothing.

    Raises RuntimeError when another greenlet is imported already.

    >>> import grove
    >>> grove.install_as_greenlet()
    >>> from greenlet import greenlet
    >>> greenlet(abs).switch(-2)
    2
    """
    _install(_raw())


def install_as_gevent() -> None:
    """Make `import gevent` and `import greenlet` mean this package.

    Call it before anything imports gevent or greenlet; calling it again does
    nothing. A gevent installed beside it is not touched, only not found any
    more by this process.

    Raises RuntimeError when another gevent or greenlet is imported already.

    >>> import grove
    >>> grove.install_as_gevent()
    >>> import gevent.socket
    >>> gevent.socket is grove.socket
    True
    """
    package = sys.modules["grove"]
    _install({"gevent": package, **_raw()})
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
        sys.meta_path.append(_refuser)
    for name in _SHOWN:
        setattr(package, name, importlib.import_module(PRIVATE[name]))
