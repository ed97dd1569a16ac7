"""Making the standard library cooperative.

`patch_all()` replaces functions and classes of standard modules by this
package's, which let other greenlets run while they wait. Do it first, before
other modules have taken the old ones by `from socket import socket`.

With `libc=True`, or GROVE_LIBC=1 in the environment, C libraries become cooperative
as well, with no code of theirs changed: see `patch_libc`.

Of the parts that patch_all knows, builtins and contextvars need nothing: greenlets
have contexts of their own.
"""

from importlib import import_module
from typing import Any

from grove.names.publish import publish
from grove.patching.libc import patch_libc, unpatch_libc
from grove.patching.module import patch_module
from grove.patching.originals import (
    get_original,
    is_anything_patched,
    is_module_patched,
    is_object_patched,
    patch_item,
    remove_item,
    saved,
)
from grove.patching.parts import (
    patch_builtins,
    patch_contextvars,
    patch_dns,
    patch_os,
    patch_select,
    patch_selectors,
    patch_signal,
    patch_socket,
    patch_ssl,
    patch_subprocess,
    patch_sys,
    patch_time,
)
from grove.patching.threads import patch_queue, patch_thread
from grove.patching.warning import MonkeyPatchWarning
from grove.patching.whole import patch_all

__all__ = [
    "MonkeyPatchWarning",
    "get_original",
    "is_anything_patched",
    "is_module_patched",
    "is_object_patched",
    "patch_all",
    "patch_builtins",
    "patch_contextvars",
    "patch_dns",
    "patch_item",
    "patch_libc",
    "patch_module",
    "patch_os",
    "patch_queue",
    "patch_select",
    "patch_selectors",
    "patch_signal",
    "patch_socket",
    "patch_ssl",
    "patch_subprocess",
    "patch_sys",
    "patch_thread",
    "patch_time",
    "remove_item",
    "saved",
    "unpatch_libc",
]

publish(globals(), [name for name in __all__ if name != "saved"])


def main(argv: list[str] | None = None) -> Any:
    """Run the program that argv (sys.argv[1:] by default) names, patched; what
    python -m gevent.monkey does. Returns its globals.

    Exits when an option in front of the program is none.
    """
    from grove.patching import command

    return command.main(argv)


if __name__ == "__main__":
    # Under its own name, which the program may look for.
    import_module("grove.monkey").main()
