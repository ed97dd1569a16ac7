from grove._greenlet import *
from grove._greenlet import _C_API as _C_API
from grove._greenlet import __version__ as __version__
