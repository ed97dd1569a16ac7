from grove.subprocess import Popen as Popen
from subprocess import *  # type: ignore
