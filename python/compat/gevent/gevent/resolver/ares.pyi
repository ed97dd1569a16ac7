from grove.resolver.ares import *
