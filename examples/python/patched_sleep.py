"""Code that only knows the standard library, one after another and at once."""

from grove import monkey

monkey.patch_time()

import argparse  # noqa: E402
import time  # noqa: E402

import grove  # noqa: E402


def task() -> None:
    time.sleep(0.2)


argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()

start = time.monotonic()
for _ in range(5):
    task()
one_by_one = time.monotonic() - start

start = time.monotonic()
grove.joinall([grove.spawn(task) for _ in range(5)])
at_once = time.monotonic() - start

print(f"one after another {one_by_one:.1f} s")
print(f"at once           {at_once:.1f} s")
