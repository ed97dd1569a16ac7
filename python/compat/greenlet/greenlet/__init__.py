"""With this directory on the path, `import greenlet` gives Grove's greenlet.

For extensions: `#include <greenlet/greenlet.h>` with it among the compiler's
include directories.
"""

_is_grove = True

import grove  # noqa: E402

grove.install_as_gevent()
