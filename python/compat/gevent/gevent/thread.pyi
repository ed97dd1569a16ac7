from grove.thread import *
from grove.thread import lock as lock
from grove.thread import start_joinable_thread as start_joinable_thread
