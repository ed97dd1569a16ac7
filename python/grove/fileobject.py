"""Files whose reads and writes let other greenlets run.

    FileObjectPosix   parks greenlets: pipes and terminals until they are ready,
                      regular files while they are read
    FileObjectThread  has native threads read and write
    FileObjectBlock   holds up the thread, as every file does
    FileObject        the one that config.fileobject says: FileObjectPosix
"""

from grove.files.objects import (
    FileObjectBlock,
    FileObjectClosed,
    FileObjectPosix,
    FileObjectThread,
)
from grove.names.publish import publish
from grove.settings.config import config

__all__ = ["FileObjectPosix", "FileObjectThread", "FileObjectBlock", "FileObject"]

publish(globals(), [*__all__[:3], "FileObjectClosed"])

FileObject = config.fileobject
