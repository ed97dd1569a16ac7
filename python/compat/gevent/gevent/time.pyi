from grove.time import sleep as sleep
from time import *  # type: ignore
