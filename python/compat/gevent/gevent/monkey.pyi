from grove.monkey import *
from grove.monkey import main as main
