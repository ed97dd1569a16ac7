from grove.resolver.blocking import *
