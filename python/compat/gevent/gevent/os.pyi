from grove.os import *
