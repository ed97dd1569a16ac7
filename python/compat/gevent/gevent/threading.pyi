from grove.threading import *
