from grove.greenlet import *
from grove.greenlet import FailureSpawnedLink as FailureSpawnedLink
from grove.greenlet import GreenletExit as GreenletExit
from grove.greenlet import SpawnedLink as SpawnedLink
from grove.greenlet import SuccessSpawnedLink as SuccessSpawnedLink
from grove.greenlet import get_hub as get_hub
from grove.greenlet import getcurrent as getcurrent
from grove.greenlet import hub as hub
from grove.greenlet import sleep as sleep
