from grove.ssl import *
