"""Where the tests find the repository and the build they test."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("GROVE_BUILD", ROOT / "build"))
