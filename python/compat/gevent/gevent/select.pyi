from grove.select import epoll as epoll
from grove.select import poll as poll
from grove.select import select as select
from select import *  # type: ignore
