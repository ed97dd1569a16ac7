"""The Python package's reference: a page for each module that programs import.

What there is, is asked of the built package itself, in the interpreter that it was
built for; Sphinx's autodoc has the texts from the docstrings.
"""

import json
import os
import subprocess
from pathlib import Path

#: Prints each public module with its first sentence, and its own names: what kind of
#: thing it is, where it is described (the module that comes first), and of a class the
#: methods that it has from bases nobody sees, its computed attributes, and those that
#: are classes with a description of their own.
ASK = """
import importlib, inspect, json, pkgutil
import grove

def names_in(package):
    "The modules that programs import, those of packages that gevent has, too."
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if found.name == "grove.resolver":
            yield found.name
            yield from names_in(importlib.import_module(found.name))
        elif not found.ispkg and not found.name.rpartition(".")[2].startswith("_"):
            yield found.name

def public(module):
    names = getattr(module, "__all__", None) or vars(module)
    return [name for name in names if not name.startswith("_")]

def own(thing):
    module = getattr(thing, "__module__", None) or ""
    return callable(thing) and (module.startswith("grove") or module == "greenlet")

def hidden(cls, shown):
    bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("grove")]
    names = {name for base in bases if id(base) not in shown for name in vars(base)}
    return sorted(name for name in names - set(vars(cls)) if not name.startswith("_")
                  and inspect.isroutine(inspect.getattr_static(cls, name)))

def attributes(cls):
    "Those that a function computes, which autodoc takes for methods."
    return sorted(name for name, thing in vars(cls).items() if not name.startswith("_")
                  and type(thing).__module__.startswith("grove.hubs"))

def described(cls):
    "Classes that it has as attributes, and that stand for themselves."
    return sorted(name for name, thing in vars(cls).items() if id(thing) in shown)

found = [*sorted(names_in(grove)), "grove._greenlet", "grove"]
modules = [importlib.import_module(name) for name in found]
shown, told = {}, []
for module in modules:
    for name in public(module):
        thing = getattr(module, name)
        if own(thing):
            shown.setdefault(id(thing), f"{module.__name__}.{name}")
for module in modules:
    names = []
    for name in sorted(public(module), key=str.lower):
        thing = getattr(module, name)
        if own(thing):
            is_class = isinstance(thing, type)
            kind = "exception" if is_class and issubclass(thing, BaseException) else \\
                "class" if is_class else "function"
            names.append([name, kind, shown[id(thing)],
                          hidden(thing, shown) if kind == "class" else [],
                          attributes(thing) if kind == "class" else [],
                          described(thing) if is_class else []])
    first = (inspect.getdoc(module) or "").split("\\n\\n")[0].replace("\\n", " ")
    told.append([module.__name__, first, names])
print(json.dumps(told))
"""


class Package:
    """The built package."""

    def __init__(self, build: Path, python: str) -> None:
        self._modules = json.loads(
            subprocess.check_output(
                [python, "-c", ASK],
                env={**os.environ, "PYTHONPATH": str(build / "python")},
                text=True,
            )
        )

    def write(self, folder: Path) -> None:
        """Write a page for each module, and the list that docs/python.md ends with."""
        (folder / "python").mkdir(exist_ok=True)
        modules = [self._modules[-1], *self._modules[:-1]]
        for name, _, names in modules:
            path = folder / "python" / f"{known_as(name)}.rst"
            path.write_text(page(name, names))
        told = [(known_as(name), first) for name, first, _ in modules]
        lines = [f"- [{name}](python/{name}.rst): {first}" for name, first in told]
        lines += ["", "```{toctree}", ":hidden:", ""]
        lines += [f"python/{name}" for name, _ in told] + ["```"]
        index = folder / "python.md"
        index.write_text(index.read_text() + "\n".join(lines) + "\n")


def known_as(module: str) -> str:
    """What programs call it."""
    return "greenlet" if module == "grove._greenlet" else module


def page(module: str, names: list) -> str:
    """The page of a module: what it has of its own, and what others describe."""
    title = known_as(module)
    lines = [title, "=" * len(title), "", f".. automodule:: {module}", ""]
    elsewhere = []
    for name, kind, place, hidden, attributes, described in names:
        if place != f"{module}.{name}":
            elsewhere.append(f":py:obj:`{name} <{place}>`")
            continue
        lines += [f".. auto{kind}:: {place}"]
        lines += ["   :members:"] if kind != "function" else []
        if attributes or described:
            lines += [f"   :exclude-members: {', '.join([*attributes, *described])}"]
        lines += [""]
        for attribute in attributes:
            lines += [f"   .. autoattribute:: {attribute}", "      :no-value:", ""]
        for method in hidden:
            lines += [f"   .. automethod:: {method}", ""]
    if elsewhere:
        lines += ["Also here: " + ", ".join(elsewhere) + ".", ""]
    return "\n".join(lines)
