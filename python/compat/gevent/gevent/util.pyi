from grove.util import *
from grove.util import is_idle_threadpool_worker as is_idle_threadpool_worker
