from grove.selectors import DefaultSelector as DefaultSelector
from grove.selectors import GeventSelector as GeventSelector
from selectors import *  # type: ignore
