from grove.signal import getsignal as getsignal
from grove.signal import signal as signal
from signal import *  # type: ignore
