from grove.server import *
