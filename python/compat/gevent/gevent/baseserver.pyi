from grove.baseserver import *
from grove.baseserver import parse_address as parse_address
