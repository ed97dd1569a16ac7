from grove.socket import *
