from grove.exceptions import *
from grove.exceptions import GreenletExit as GreenletExit
