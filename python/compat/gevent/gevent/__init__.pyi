from grove import *
from grove import __version__ as __version__
from grove import greenlet as greenlet
from grove import hub as hub
from grove import timeout as timeout
from grove import version_info as version_info
