"""Ways to recurse without end, by name: what Python calls through C, and what C
calls by itself. Run as a program, one of them in a greenlet:

    recursion.py ROW STACK_SIZE

prints the name of the exception that ended it.
"""

import ast
import copy
import ctypes
import functools
import json
import marshal
import pickle
import re
import sys


def pure():
    return pure()


def comprehension():
    return [comprehension() for _ in [1]]


def kwargs(**k):
    return kwargs(**k)


def star(*a):
    return star(*a)


class Repr:
    def __repr__(self):
        return repr(self)


class Str:
    def __str__(self):
        return str(self)


class Eq:
    def __eq__(self, other):
        return self == other


class Hash:
    def __hash__(self):
        return hash(self)


class Init:
    def __init__(self):
        Init()


class New:
    def __new__(cls):
        return cls()


class Call:
    def __call__(self):
        return self()


class Enter:
    def __enter__(self):
        with self:
            pass

    def __exit__(self, *error):
        pass


class Property:
    @property
    def x(self):
        return self.x


class Getattr:
    def __getattr__(self, name):
        return getattr(self, name + "x")


class Getattribute:
    def __getattribute__(self, name):
        return self.x


class Get:
    def __get__(self, instance, owner):
        return instance.x


class Described:
    x = Get()


class Format:
    def __format__(self, spec):
        return format(self, spec)


class Add:
    def __add__(self, other):
        return self + other


class Len:
    def __len__(self):
        return len(self)


class Iter:
    def __iter__(self):
        return iter(self)


def by_map(n=0):
    return list(map(by_map, [n]))


def by_filter(n=0):
    return list(filter(by_filter, [1]))


def by_max(n=0):
    return max([1], key=by_max) if n else max([1, 2], key=by_max)


def by_reduce(a=1, b=2):
    return functools.reduce(by_reduce, [1, 2])


def by_partial():
    return functools.partial(by_partial)()


@functools.lru_cache
def by_lru_cache(n=0):
    return by_lru_cache(n + 1)


def by_sorted(n=0):
    return sorted([n], key=lambda n: by_sorted(n))


def by_sorted_directly(n=0):
    return sorted([n], key=by_sorted_directly)


def by_list_sort(n=0):
    return [n].sort(key=lambda n: by_list_sort(n))


def by_cmp_to_key(a=0, b=0):
    return sorted([a, b], key=functools.cmp_to_key(by_cmp_to_key))


@ctypes.CFUNCTYPE(ctypes.c_int)
def by_ctypes():
    return by_ctypes()


def by_exec():
    exec("by_exec()", globals())


def by_eval():
    return eval("by_eval()", globals())


def by_yield_from():
    yield from by_yield_from()


async def by_await():
    await by_await()


def by_next():
    yield next(by_next())


def by_re_sub(match=None):
    return re.sub("a", by_re_sub, "a")


def nested(n, value=None):
    for _ in range(n):
        value = [value]
    return value


def deepcopy():
    copy.deepcopy(nested(100_000))


ROWS = {
    "pure": pure,
    "comprehension": comprehension,
    "deepcopy": deepcopy,
    "re.compile": lambda: re.compile("(" * 50_000 + ")" * 50_000),
    "f(**k)": kwargs,
    "f(*a)": star,
    "__repr__": lambda: repr(Repr()),
    "__str__": lambda: str(Str()),
    "__eq__": lambda: Eq() == 1,
    "__hash__": lambda: hash(Hash()),
    "__init__": Init,
    "__new__": New,
    "__call__": lambda: Call()(),
    "__enter__": lambda: Enter().__enter__(),
    "property": lambda: Property().x,
    "__getattr__": lambda: Getattr().x,
    "__getattribute__": lambda: Getattribute().x,
    "__get__": lambda: Described().x,
    "__format__": lambda: format(Format()),
    "__add__": lambda: Add() + 1,
    "__len__": lambda: len(Len()),
    "__iter__": lambda: iter(Iter()),
    "map": by_map,
    "filter": by_filter,
    "max": by_max,
    "reduce": by_reduce,
    "partial": by_partial,
    "lru_cache": by_lru_cache,
    "sorted": by_sorted,
    "sorted, directly": by_sorted_directly,
    "list.sort": by_list_sort,
    "cmp_to_key": by_cmp_to_key,
    "ctypes": by_ctypes,
    "exec": by_exec,
    "eval": by_eval,
    "yield from": lambda: next(by_yield_from()),
    "await": lambda: by_await().send(None),
    "next": lambda: next(by_next()),
    "re.sub": by_re_sub,
    "json.dumps": lambda: json.dumps(nested(100_000)),
    "json.loads": lambda: json.loads("[" * 100_000),
    "repr of lists": lambda: repr(nested(100_000)),
    "== of lists": lambda: nested(100_000) == nested(100_000),
    "pickle": lambda: pickle.dumps(nested(100_000)),
    "unary": lambda: ast.parse("-" * 100_000 + "1"),
    "lambdas": lambda: ast.parse("lambda:" * 100_000 + "1"),
    "conditions": lambda: ast.parse("1 if 1 else " * 100_000 + "1"),
    "attributes": lambda: compile("a" + ".b" * 100_000, "", "exec"),
    "marshal": lambda: marshal.loads(b"[\x01\x00\x00\x00" * 100_000),
    "parentheses": lambda: eval("(" * 190 + "1" + ")" * 190),
}


def main(name, size):
    from grove._core import greenlet, stack_size

    stack_size(int(size))
    # What a callback of ctypes raises is printed, and it returns all the same.
    sys.unraisablehook = lambda unraisable: None
    try:
        greenlet(ROWS[name]).switch()
    except BaseException as error:
        print(type(error).__name__)
    else:
        print("no exception")


if __name__ == "__main__":
    main(*sys.argv[1:])
