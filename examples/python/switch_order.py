"""Two greenlets that take turns: each sleep(0) lets the other one run."""

import argparse

import grove


def speaker(name: str) -> None:
    print(f"{name}: first words")
    grove.sleep(0)
    print(f"{name}: last words")


argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()

grove.joinall([grove.spawn(speaker, "foo"), grove.spawn(speaker, "bar")])
