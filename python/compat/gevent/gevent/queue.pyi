from grove.queue import *
from grove.queue import UnboundQueue as UnboundQueue
