from grove.pywsgi import *
