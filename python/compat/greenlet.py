"""With this directory on the path, `import greenlet` gives Grove's greenlet."""

_is_grove = True

import grove  # noqa: E402

grove.install_as_gevent()
