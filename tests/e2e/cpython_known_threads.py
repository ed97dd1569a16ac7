"""What fails of CPython's own tests where threads are fibers, by `grove run
--threads`, and why: as cpython_known.py.
"""

from cpython_known import SLOW as SLOW

_ONE_ID = "threads of a hub have one native id"
_VSOCK = (
    "a machine that is a guest need not reach itself by VSOCK; it waits for ever "
    "without, too"
)

#: Not run.
SKIP = {
    "test_ftplib": {
        "TestFTPClass.test_storlines": (
            "its server decodes what each read has brought: one that ends within a "
            "character makes two of it, without, too, by chance"
        ),
    },
    "test_socket": {
        "ThreadedVSOCKSocketStreamTest": _VSOCK,
    },
}

#: Run, and known to fail.
FAIL = {
    "test_threading": {
        "test_various_ops*": _ONE_ID,
    },
}
