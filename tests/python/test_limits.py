"""What is left of memory and descriptors runs out: an error, and the hub goes on."""

import os
import subprocess
import sys
import textwrap


def run(program: str) -> list[str]:
    """The lines that program, run by itself, prints."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


LIMIT_MEMORY = """
    import resource
    def address_space():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[0]) * resource.getpagesize()
    def leave(bytes):
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + bytes,) * 2)
"""


def test_greenlets_without_a_stack_fail_and_the_others_run():
    lines = run(
        LIMIT_MEMORY
        + """
    import grove
    grove.sleep(0)
    leave(100 << 20)
    gs = [grove.spawn(grove.sleep, 0.1) for _ in range(300)]
    grove.joinall(gs)
    failed = [g for g in gs if not g.successful()]
    print(all(isinstance(g.exception, MemoryError) for g in failed))
    print(0 < len(failed) < 300)
    print(grove.spawn(lambda: "goes on").get())
    """
    )
    assert lines == ["True", "True", "goes on"]


def test_a_raw_greenlet_without_a_stack_fails_in_its_caller():
    lines = run(
        LIMIT_MEMORY
        + """
    from grove._core import getcurrent, greenlet
    main = getcurrent()
    leave(100 << 20)
    parked = []
    try:
        while True:
            g = greenlet(lambda: main.switch("parked"))
            parked.append((g, g.switch()))
    except MemoryError as e:
        print(e)
    print(len(parked) > 10, bool(g), g.dead)
    parked.clear()  # their stacks are free again
    print(g.switch())
    """
    )
    assert lines == [
        "no stack of 1048576 bytes left for a greenlet",
        "True False False",
        "parked",
    ]


def test_a_hub_without_descriptors_is_an_error():
    lines = run(
        """
    import os, resource
    import grove
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The next number is the last one that is allowed, and the loop wants two.
    last = os.dup(0)
    os.close(last)
    resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, limit[1]))
    try:
        grove.sleep(0)
    except OSError as e:
        print(e.strerror)
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    grove.sleep(0.001)
    print("goes on", os.dup(0) >= last)
    """
    )
    assert lines == [os.strerror(24), "goes on True"]
