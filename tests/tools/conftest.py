"""Lets the tests of what `make` runs import it."""

import sys

from build_tree import ROOT

sys.path.insert(0, str(ROOT / "tools"))
