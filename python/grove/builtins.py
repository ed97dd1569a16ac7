"""The module builtins, of which nothing has to be replaced."""

import builtins as _stdlib

from grove.stdlib.mirror import mirror

__implements__: list[str] = []
__extensions__: list[str] = []
__imports__ = mirror(_stdlib, globals(), __implements__)
__all__: list[str] = []
