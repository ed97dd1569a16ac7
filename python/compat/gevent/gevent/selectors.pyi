import math as math
import select as select
import sys as sys
from abc import ABCMeta as ABCMeta
from abc import abstractmethod as abstractmethod
from collections import namedtuple as namedtuple
from collections.abc import Mapping as Mapping

from grove.selectors import DefaultSelector as DefaultSelector
from grove.selectors import GeventSelector as GeventSelector
from selectors import *  # type: ignore
