from grove.lock import *
