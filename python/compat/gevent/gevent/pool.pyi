from grove.pool import *
from grove.pool import GroupMappingMixin as GroupMappingMixin
from grove.pool import IMap as IMap
from grove.pool import IMapUnordered as IMapUnordered
from grove.pool import pass_value as pass_value
