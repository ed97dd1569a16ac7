from grove.timeout import *
