"""The raw greenlet at the end of the process, and in other interpreters."""

import subprocess
import sys
import textwrap

import pytest


def run(source, *options):
    result = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, (result.returncode, result.stdout, result.stderr)
    return result


PARKED = """
    from grove._greenlet import getcurrent, greenlet
    import sys

    def run(n):
        try:
            getcurrent().parent.switch()
        finally:
            print("finally", n)
"""


def test_suspended_greenlets_are_dropped_without_running():
    """Those that the module's end lets go of before the interpreter finalizes
    do get to run; nothing crashes, and the process ends well."""
    result = run(
        PARKED
        + """
    import builtins
    builtins.kept = [greenlet(run) for _ in range(20)]
    for n, g in enumerate(builtins.kept):
        g.switch(n)
    del g
    print("end")
    """
    )
    assert result.stdout == "end\n" and result.stderr == ""


def test_cycles_and_nested_ones_at_the_end():
    result = run(
        PARKED
        + """
    def nested(depth):
        if depth:
            g = greenlet(nested)
            g.switch(depth - 1)
        me = getcurrent()
        me.parent.switch(me)
    gs = [greenlet(nested) for _ in range(5)]
    for g in gs:
        g.switch(5)
    g.me = gs
    try:
        raise ValueError
    except ValueError:
        pending = greenlet(run)
        pending.switch(0)
    sys.stdout.flush()
    """
    )
    assert result.stderr == ""


def test_the_main_program_may_end_in_a_greenlet():
    assert run(
        """
        from grove._greenlet import greenlet
        import sys
        def leave():
            try:
                sys.exit(0)
            finally:
                print("leaving")
        greenlet(leave).switch()
        """
    ).stdout == "leaving\n"


def test_everything_works_in_atexit_handlers():
    result = run(
        PARKED
        + """
    import atexit
    from grove._greenlet import GreenletExit, gettrace, settrace
    def at_exit():
        assert type(getcurrent()) is greenlet
        assert greenlet(lambda x: x + 1).switch(1) == 2
        settrace(lambda *event: None)
        assert gettrace()
        g.switch()
        h = greenlet(run)
        h.switch(2)
        del h
        print("good")
    atexit.register(at_exit)
    g = greenlet(run)
    g.switch(1)
    """
    )
    assert result.stdout == "finally 1\nfinally 2\ngood\n" and result.stderr == ""


def test_getcurrent_while_the_interpreter_is_finalized():
    result = run(
        """
        from grove._greenlet import getcurrent
        import builtins, os
        class Late:
            def __del__(self, getcurrent=getcurrent, write=os.write):
                try:
                    getcurrent()
                except RuntimeError as error:
                    write(1, str(error).encode())
        builtins.late = Late()
        """
    )
    assert result.stdout == "greenlet is being finalized"


def test_threads_that_run_at_the_end():
    result = run(
        PARKED
        + """
    import threading
    ready, forever = threading.Event(), threading.Event()
    def other():
        def inside():
            ready.set()
            forever.wait()
        g = greenlet(run)
        g.switch(0)
        greenlet(inside).switch()
    threading.Thread(target=other, daemon=True).start()
    ready.wait()
    print("end")
    """
    )
    assert result.stdout == "end\n"


def test_objects_of_ended_threads_at_the_end():
    result = run(
        PARKED
        + """
    import threading
    kept = []
    def other():
        g = greenlet(run)
        g.switch(0)
        kept.append((g, g.gr_frame, getcurrent()))
    for _ in range(3):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    print("end")
    """
    )
    assert result.stdout == "end\n" and result.stderr == ""


SUBINTERPRETER = """
    import {module} as interpreters
    id = interpreters.create({options})
    {before}
    interpreters.run_string(id, '''if True:
        try:
            import grove
        except ImportError as error:
            print("refused:", error)
        try:
            import grove._core
        except ImportError as error:
            print("refused:", error)
    ''')
    interpreters.destroy(id)
    import grove
    print(grove.getcurrent().dead)
"""


@pytest.mark.parametrize("before", ["", "import grove"], ids=["first", "later"])
def test_sub_interpreters_are_refused(before):
    if sys.version_info >= (3, 13):
        module, options = "_interpreters", "'legacy'"
    else:
        module = "_xxsubinterpreters"
        options = "isolated=False" if sys.version_info >= (3, 12) else ""
    source = SUBINTERPRETER.format(module=module, options=options, before=before)
    lines = run(source).stdout.splitlines()
    assert len(lines) == 3
    for line in lines[:2]:
        assert line.startswith("refused: grove cannot be used in a sub-interpreter")
    assert lines[2] == "False"


if sys.version_info >= (3, 12):

    def test_sub_interpreters_with_a_gil_of_their_own_are_refused():
        module = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
        source = SUBINTERPRETER.format(module=module, options="", before="import grove")
        lines = run(source).stdout.splitlines()
        assert [line.split(":")[0] for line in lines[:2]] == ["refused", "refused"]
        assert lines[2:] == ["False"]


def test_development_mode_is_silent():
    result = run(
        PARKED
        + """
    g = greenlet(run)
    g.switch(1)
    del g
    greenlet(run).switch(2)
    """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert result.stdout == "finally 1\nfinally 2\n" and result.stderr == ""
