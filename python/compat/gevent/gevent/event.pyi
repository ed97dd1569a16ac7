from grove.event import *
