from grove.contextvars import *
