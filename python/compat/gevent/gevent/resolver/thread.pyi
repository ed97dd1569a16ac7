from grove.resolver.thread import *
