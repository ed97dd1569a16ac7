"""The versions that programs ask for."""

from collections import namedtuple

#: Grove's own.
grove_version = "0.3.0"

#: Of the gevent whose interface this is: programs look at it to learn what they
#: may call.
__version__ = "26.5.1"

_VersionInfo = namedtuple("version_info", "major minor micro releaselevel serial")  # type: ignore[name-match]

version_info = _VersionInfo(26, 5, 1, "final", 0)
