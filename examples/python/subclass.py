"""A greenlet as a class of one's own: override _run."""

import argparse

import grove


class Kettle(grove.Greenlet):
    def __init__(self, name: str, seconds: float) -> None:
        super().__init__()
        self.name = name
        self.seconds = seconds

    def _run(self) -> str:
        print(f"{self.name}: on")
        grove.sleep(self.seconds)
        print(f"{self.name}: boils")
        return self.name


argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()

kettles = [Kettle("large", 0.3), Kettle("small", 0.1)]
for kettle in kettles:
    kettle.start()
print("first:", next(grove.iwait(kettles)).value)
grove.joinall(kettles)
