from grove.resolver.dnspython import *
from grove.resolver.dnspython import HOSTS as HOSTS
