"""What a greenlet returned, what it raised, and a time limit for waiting."""

import argparse

import grove


def divide(a: int, b: int) -> float:
    grove.sleep(0.05)
    return a / b


argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()

good = grove.spawn(divide, 6, 3)
slow = grove.spawn(grove.sleep, 10)

good.join()
print("value:", good.value)

bad = grove.spawn(lambda: divide(1, 0))
try:
    bad.get()
except ZeroDivisionError as error:
    print("raised:", error)

with grove.Timeout(0.1, False):
    slow.join()
print("still running:", not slow.ready())
slow.kill()
print("killed:", slow.ready())
