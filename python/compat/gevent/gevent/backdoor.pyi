from grove.backdoor import *
