"""Making the standard library cooperative.

`patch_all()` replaces functions and classes of standard modules by this
package's, which let other greenlets run while they wait. Do it first, before
other modules have taken the old ones by `from socket import socket`.

Of the parts that patch_all knows, those whose replacement is here do something:
time, socket, dns, select and ssl. Sys, builtins and contextvars need nothing:
greenlets have contexts of their own. The flags os, thread, subprocess, signal
and queue are accepted and change nothing yet; their modules go on as they are.
"""

import importlib
import sys
import warnings
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from grove import events

__all__ = [
    "MonkeyPatchWarning",
    "get_original",
    "is_anything_patched",
    "is_module_patched",
    "is_object_patched",
    "patch_all",
    "patch_builtins",
    "patch_contextvars",
    "patch_dns",
    "patch_item",
    "patch_module",
    "patch_os",
    "patch_queue",
    "patch_select",
    "patch_selectors",
    "patch_signal",
    "patch_socket",
    "patch_ssl",
    "patch_subprocess",
    "patch_sys",
    "patch_thread",
    "patch_time",
    "remove_item",
    "saved",
]

#: What was replaced: {module name: {name: the original}}.
saved: dict[str, dict[str, Any]] = {}

_MISSING = object()


class MonkeyPatchWarning(RuntimeWarning):
    """Patching may not have the effect that was meant."""


class _BadImplements(AttributeError):
    """A replacement module does not say what it implements."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(f"module {module.__name__} has no list __implements__")


# ---- queries ---------------------------------------------------------------


def is_module_patched(mod_name: str) -> bool:
    """Whether anything of the module of that name was replaced."""
    return mod_name in saved


def is_object_patched(mod_name: str, item_name: str) -> bool:
    """Whether that name of that module was replaced."""
    return item_name in saved.get(mod_name, {})


def is_anything_patched() -> bool:
    """Whether anything was replaced at all."""
    return bool(saved)


def _original(name: str, items: Iterable[str]) -> list[Any]:
    kept = saved.get(name, {})
    missing = [item for item in items if item not in kept]
    module = importlib.import_module(name) if missing else None
    return [kept[i] if i in kept else getattr(module, i) for i in items]


def get_original(mod_name: str | Iterable[str], item_name: str | Iterable[str]) -> Any:
    """The object that mod_name.item_name was before it was patched.

    Args:
        mod_name: a module, or several to be tried in turn.
        item_name: a name in it, or several.

    Returns the object; a list when several names were asked for. Raises
    ImportError or AttributeError when there is none.
    """
    names = [mod_name] if isinstance(mod_name, str) else list(mod_name)
    items = [item_name] if isinstance(item_name, str) else list(item_name)
    for name in names[:-1]:
        try:
            found = _original(name, items)
            break
        except ImportError:
            continue
    else:
        found = _original(names[-1], items)
    return found[0] if isinstance(item_name, str) else found


# ---- one name, one module --------------------------------------------------


def patch_item(module: ModuleType, attr: str, newitem: Any) -> None:
    """Make module.attr newitem, keeping the first original in `saved`."""
    old = getattr(module, attr, _MISSING)
    if old is newitem:
        return
    if old is not _MISSING:
        saved.setdefault(module.__name__, {}).setdefault(attr, old)
    setattr(module, attr, newitem)


def remove_item(module: ModuleType, attr: str) -> None:
    """Delete module.attr if there is one, keeping it in `saved`."""
    old = getattr(module, attr, _MISSING)
    if old is _MISSING:
        return
    saved.setdefault(module.__name__, {}).setdefault(attr, old)
    delattr(module, attr)


def _warn(message: str) -> None:
    warnings.warn(message, MonkeyPatchWarning, stacklevel=4)


def patch_module(
    target_module: ModuleType,
    source_module: ModuleType,
    items: Iterable[str] | None = None,
    _warnings: Any = None,
    _patch_kwargs: dict[str, Any] | None = None,
    _notify_will_subscribers: bool = True,
    _notify_did_subscribers: bool = True,
    _call_hooks: bool = True,
) -> bool:
    """Replace names of target_module by those of source_module.

    Args:
        target_module: what is changed.
        source_module: what has the replacements.
        items: the names; the source's `__implements__` by default.

    Returns whether it was done: not when a listener raised DoNotPatch.
    """
    if items is None:
        items = getattr(source_module, "__implements__", None)
        if items is None:
            raise _BadImplements(source_module)
    items = list(items)
    name = target_module.__name__
    try:
        if _call_hooks:
            _hook(source_module, target_module, "_gevent_will_monkey_patch", items)
        if _notify_will_subscribers:
            events.notify_and_call_entry_points(
                events.GeventWillPatchModuleEvent(
                    name, source_module, target_module, items
                )
            )
    except events.DoNotPatch:
        return False
    for item in items:
        patch_item(target_module, item, getattr(source_module, item))
    if _call_hooks:
        _hook(source_module, target_module, "_gevent_did_monkey_patch", None)
    if _notify_did_subscribers:
        events.notify_and_call_entry_points(
            events.GeventDidPatchModuleEvent(name, source_module, target_module)
        )
    return True


def _hook(
    source: ModuleType, target: ModuleType, name: str, items: list[str] | None
) -> None:
    """Call the source module's own hook of that name, if it has one."""
    hook = getattr(source, name, None)
    if hook is None:
        return
    if items is None:
        hook(target)
    else:
        hook(target, items, _warn)


def _patch_by_name(name: str, items: Iterable[str] | None = None) -> bool:
    """Patch standard module `name` by grove.name."""
    source = importlib.import_module(f"grove.{name}")
    target = importlib.import_module(getattr(source, "__target__", name))
    return patch_module(target, source, items)


# ---- the standard modules --------------------------------------------------


def patch_time() -> bool:
    """Make time.sleep cooperative."""
    return _patch_by_name("time")


def patch_socket(dns: bool = True, aggressive: bool = True) -> bool:
    """Make the module socket cooperative.

    Args:
        dns: its look-ups of names too (see patch_dns).
        aggressive: remove what could not be made cooperative; on Linux there is
            nothing of the kind.
    """
    from grove import socket

    items = [i for i in socket.__implements__ if dns or i not in socket.__dns__]
    return _patch_by_name("socket", items)


def patch_dns() -> bool:
    """Make the look-ups of names in the module socket cooperative."""
    from grove import socket

    return _patch_by_name("socket", socket.__dns__)


def patch_select(aggressive: bool = True) -> bool:
    """Make select.select and select.poll cooperative, and selectors with them.

    Args:
        aggressive: remove select.epoll and the selector made of it, which are
            not cooperative.
    """
    done = _patch_by_name("select")
    if done and aggressive:
        import select

        for name in ("epoll", "kqueue", "kevent", "devpoll"):
            remove_item(select, name)
    return patch_selectors(aggressive) and done


def patch_selectors(aggressive: bool = True) -> bool:
    """Make the module selectors cooperative."""
    done = _patch_by_name("selectors")
    if done and aggressive:
        import selectors

        for name in ("EpollSelector", "KqueueSelector", "DevpollSelector"):
            remove_item(selectors, name)
    return done


def patch_ssl() -> bool:
    """Make the module ssl cooperative."""
    return _patch_by_name("ssl")


def patch_os() -> None:
    """Nothing yet: os.fork is safe as it is, os.waitpid blocks the thread."""


def patch_thread(
    threading: bool = True,
    _threading_local: bool = True,
    Event: bool = True,
    logging: bool = True,
    existing_locks: bool = True,
) -> None:
    """Nothing yet: threads and their locks stay native."""


def patch_subprocess() -> None:
    """Nothing yet: waiting for a child process blocks the thread."""


def patch_signal() -> None:
    """Nothing yet: signal handlers run where Python runs them."""


def patch_queue() -> None:
    """Nothing yet: the module queue stays native."""


def patch_sys(stdin: bool = True, stdout: bool = True, stderr: bool = True) -> None:
    """Nothing: the standard streams are never replaced."""


def patch_builtins() -> None:
    """Nothing: there is nothing to make cooperative."""


def patch_contextvars() -> None:
    """Nothing: each greenlet has a context of its own."""


# ---- all of them -----------------------------------------------------------

_asked: dict[str, Any] = {}


def _is_repeated(arguments: dict[str, Any]) -> bool:
    """Whether everything asked for was asked for before; warns of differences."""
    if not _asked:
        return False
    if any(_asked.get(name) != value for name, value in arguments.items()):
        _warn("patch_all was called more than once with different arguments")
    return all(_asked.get(name) or not value for name, value in arguments.items())


def patch_all(
    socket: bool = True,
    dns: bool = True,
    time: bool = True,
    select: bool = True,
    thread: bool = True,
    os: bool = True,
    ssl: bool = True,
    subprocess: bool = True,
    sys: bool = False,
    aggressive: bool = True,
    Event: bool = True,
    builtins: bool = True,
    signal: bool = True,
    queue: bool = True,
    contextvars: bool = True,
    **kwargs: Any,
) -> bool | None:
    """Make the standard library cooperative, in the parts that are true.

    Args:
        kwargs: are for the listeners of the events only.

    Returns True; False when a listener raised DoNotPatch; None when everything
    asked for had been patched already.
    """
    arguments = {k: v for k, v in locals().items() if k != "kwargs"}
    if _is_repeated(arguments):
        return None
    try:
        events.notify_and_call_entry_points(
            events.GeventWillPatchAllEvent(arguments, kwargs)
        )
    except events.DoNotPatch:
        return False
    for name, value in arguments.items():
        _asked[name] = _asked.get(name) or value

    if ssl:
        # The standard ssl derives its classes from the socket it finds.
        importlib.import_module("grove.ssl")
    if os:
        patch_os()
    if thread:
        patch_thread(Event=Event)
    if time:
        patch_time()
    if sys:
        patch_sys()
    if socket:
        patch_socket(dns=dns, aggressive=aggressive)
    if select:
        patch_select(aggressive=aggressive)
    if ssl:
        patch_ssl()
    if subprocess:
        patch_subprocess()
    if builtins:
        patch_builtins()
    if signal:
        patch_signal()
    if queue:
        patch_queue()
    if contextvars:
        patch_contextvars()
    events.notify_and_call_entry_points(
        events.GeventDidPatchBuiltinModulesEvent(arguments, kwargs)
    )
    events.notify_and_call_entry_points(
        events.GeventDidPatchAllEvent(arguments, kwargs)
    )
    return True


# ---- python -m grove.monkey ------------------------------------------------

_USAGE = """\
usage: python -m grove.monkey [--module] [--[no-]PART ...] program [argument ...]

Run a program after patch_all(). --PART patches only the parts named so,
--no-PART all but those; PART is one of
  {parts}"""


def main(argv: list[str] | None = None) -> None:
    """Run the program that argv (sys.argv[1:] by default) names, patched."""
    import inspect
    import runpy

    argv = list(sys.argv[1:] if argv is None else argv)
    parameters = inspect.signature(patch_all).parameters
    parts = [name for name in parameters if name != "kwargs"]
    usage = _USAGE.format(parts=" ".join(parts))
    wanted: dict[str, bool] = {}
    run = runpy.run_path
    while argv and argv[0].startswith("--"):
        option = argv.pop(0)[2:]
        name = option.removeprefix("no-")
        if option == "module":
            run = runpy.run_module
        elif option == "verbose":
            pass
        elif name in parts:
            wanted[name] = name == option
        else:
            sys.exit(f"{usage}\n\nCannot patch {name!r}")
    if not argv:
        print(usage)
        return
    if any(wanted.values()):
        wanted = {name: wanted.get(name, False) for name in parts}
    patch_all(**wanted)
    sys.argv[:] = argv
    run(argv[0], run_name="__main__")


if __name__ == "__main__":
    # Under its own name, so that `saved` is the one others see.
    importlib.import_module("grove.monkey").main()
