from grove.builtins import *
