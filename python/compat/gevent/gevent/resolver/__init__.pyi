from grove.resolver import *
