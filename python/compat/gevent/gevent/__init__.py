"""With this directory on the path, `import gevent` gives Grove."""

_is_grove = True

import grove  # noqa: E402

grove.install_as_gevent()
