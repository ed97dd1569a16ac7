from grove.fileobject import *
