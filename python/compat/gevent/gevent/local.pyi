from grove.local import *
from grove.local import all_local_dicts_for_greenlet as all_local_dicts_for_greenlet
