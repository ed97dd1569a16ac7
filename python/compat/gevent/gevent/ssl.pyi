import base64 as base64
import errno as errno
import os as os
import sys as sys
import warnings as warnings
from collections import namedtuple as namedtuple

from grove.ssl import *

socket_error = OSError
