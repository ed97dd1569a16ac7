"""The bodies of the raw greenlet's tests, to be run again and elsewhere: each many
times (test_greenlet_leaks.py), or, as a program, each once within valgrind.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator

MODULES = ["values", "throw", "parents", "object", "death", "state", "tracing"]
MODULES += ["threads", "capi"]
FIXTURES = ("c", "cxx")
LEFT_OUT = {
    "test_what_throw_makes_of_its_arguments": "the instances are the same each time",
    "test_one_that_switches_away_instead_is_reported_and_kept": "a reference is "
    "lost on purpose, as greenlet does",
    "test_getcurrent_while_the_interpreter_is_finalized": "makes a process",
    "test_the_header_alone": "makes a process",
    "test_a_cxx_runtime_that_is_loaded_late": "makes a process",
    "test_an_exception_that_nobody_catches": "makes a process",
    "test_faulthandler_on_a_full_stack": "makes a process",
    "test_stack_size_of_the_environment": "makes a process",
    "test_a_bad_stack_size_of_the_environment_keeps_the_default": "makes a process",
    "test_deep_structures_are_freed_in_a_greenlet": "0.1 s each",
    "test_one_that_a_coroutine_suspended_is_left_alone": "its stacks stay",
    "test_a_cycle_through_a_generator_does_no_harm": "may stay",
}


def parameter_sets(function: Callable) -> list[dict] | None:
    """Keyword arguments for each case that pytest would make; None: it is skipped
    here, or wants fixtures other than FIXTURES."""
    sets = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "skipif" and mark.args[0]:
            return None
        if mark.name == "parametrize":
            names = [name.strip() for name in mark.args[0].split(",")]
            sets = [
                {**given, **dict(zip(names, values if len(names) > 1 else [values]))}
                for given in sets
                for values in mark.args[1]
            ]
    wanted = set(inspect.signature(function).parameters)
    if wanted - set(sets[0]) - set(FIXTURES):
        return None
    return sets


def bodies() -> Iterator[tuple[str, Callable, list[dict], list[str]]]:
    """Name, function, its parameter sets, the fixtures it wants besides."""
    for module_name in MODULES:
        module = importlib.import_module("test_greenlet_" + module_name)
        # A copy: a body's warning adds a registry of warnings to its module.
        for name, function in list(vars(module).items()):
            if not name.startswith("test_") or name in LEFT_OUT:
                continue
            sets = parameter_sets(function)
            if sets:
                wanted = inspect.signature(function).parameters
                fixtures = [name for name in wanted if name in FIXTURES]
                yield f"{module_name}-{name[5:]}", function, sets, fixtures


def main() -> None:
    count = 0
    for name, function, sets, fixtures in bodies():
        if fixtures:
            continue
        for kwargs in sets:
            try:
                function(**kwargs)
            except BaseException as error:
                sys.exit(f"{name} {kwargs}: {error!r}")
            count += 1
    print(count)


if __name__ == "__main__":
    main()
