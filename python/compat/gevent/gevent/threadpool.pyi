from grove.threadpool import *
