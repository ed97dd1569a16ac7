"""Files below a folder as a WSGI application: what --static of grove.serve answers.

A file is opened below its folder and nowhere else: a name that leads out of it, by
".." or by a symbolic link, is not found. Answers have Last-Modified and an ETag, and
are 304 to who has the file already; one range of bytes may be asked for.
"""

import mimetypes
import os
import re
import stat
from collections.abc import Callable, Iterable
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from grove.serving.wrapper import FilePart, FileWrapper

__all__ = ["Static"]

# Of a file's size; more digits are no range, and no work.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


class Static:
    """Answers requests below some paths by files, and others by an application."""

    def __init__(self, folders: list[tuple[str, str]], application: Callable) -> None:
        """
        Args:
            folders: the paths, as "/static", and the folder of each.
            application: whom the other requests go to.
        """
        # The longest first, so that /a/b is not taken for a file of /a.
        self._folders = sorted(folders, key=lambda pair: -len(pair[0]))
        self._application = application

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        for prefix, folder in self._folders:
            below = prefix.rstrip("/") + "/"
            if path.startswith(below):
                name = path[len(below) :].encode("latin-1")
                return _answer(environ, start_response, folder, os.fsdecode(name))
        return self._application(environ, start_response)


def _refused(start_response: Callable, status: str, *more: Any) -> list[bytes]:
    body = f"{status}\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(status, [*headers, *more])
    return [body]


def _open(folder: str, name: str) -> Any:
    """The regular file of that name, opened; OSError, ValueError without one."""
    if name.startswith("/") or "\0" in name:
        raise FileNotFoundError(name)
    path = os.path.realpath(os.path.join(folder, name))
    if os.path.isdir(path):
        path = os.path.realpath(os.path.join(path, "index.html"))
    elif name.endswith("/"):
        raise NotADirectoryError(name)
    if os.path.commonpath([folder, path]) != folder:
        raise FileNotFoundError(name)
    # Without O_NONBLOCK a FIFO would be waited for.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(name)
    return os.fdopen(fd, "rb")


def _answer(
    environ: dict, start_response: Callable, folder: str, name: str
) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        allow = ("Allow", "GET, HEAD")
        return _refused(start_response, "405 Method Not Allowed", allow)
    try:
        file = _open(folder, name)
    except (OSError, ValueError):
        return _refused(start_response, "404 Not Found")
    try:
        return _send(environ, start_response, file)
    except BaseException:
        file.close()
        raise


def _send(environ: dict, start_response: Callable, file: Any) -> Iterable[bytes]:
    found = os.fstat(file.fileno())
    etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
    headers = [
        ("Last-Modified", formatdate(found.st_mtime, usegmt=True)),
        ("ETag", etag),
    ]
    if _has_it(environ, etag, found.st_mtime):
        file.close()
        start_response("304 Not Modified", headers)
        return []
    first, count = _range(environ, found.st_size, etag)
    if count is None:
        file.close()
        size = ("Content-Range", f"bytes */{found.st_size}")
        return _refused(start_response, "416 Range Not Satisfiable", size)
    status = "200 OK"
    if count != found.st_size:
        status = "206 Partial Content"
        last = first + count - 1
        headers.append(("Content-Range", f"bytes {first}-{last}/{found.st_size}"))
    headers += [
        ("Content-Type", _type_of(environ["PATH_INFO"])),
        ("Content-Length", str(count)),
        ("Accept-Ranges", "bytes"),
    ]
    file.seek(first)
    start_response(status, headers)
    return FileWrapper(FilePart(file, count))


def _type_of(path: str) -> str:
    kind, coding = mimetypes.guess_type(path if not path.endswith("/") else "a.html")
    if coding or kind is None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _has_it(environ: dict, etag: str, changed: float) -> bool:
    """Whether the client's copy is as good (RFC 9110, 13.2.2)."""
    if (tags := environ.get("HTTP_IF_NONE_MATCH")) is not None:
        known = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        return "*" in known or etag in known
    since = environ.get("HTTP_IF_MODIFIED_SINCE")
    try:
        return since is not None and int(changed) <= _seconds(since)
    except (ValueError, TypeError, OverflowError):
        return False


def _seconds(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _range(environ: dict, size: int, etag: str) -> tuple[int, int | None]:
    """The first byte that is wanted, and how many; None: there are none such."""
    wanted = environ.get("HTTP_RANGE", "")
    # Of other methods there are no ranges (RFC 9110, 14.2).
    match = _RANGE.match(wanted) if environ["REQUEST_METHOD"] == "GET" else None
    if not match or environ.get("HTTP_IF_RANGE", etag) != etag:
        return 0, size
    first, last = match.groups()
    if first:
        begin = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < begin:
            return 0, size  # no range, and so not looked at
    elif last:
        begin, end = max(0, size - int(last)), size - 1
    else:
        return 0, size
    return (begin, end - begin + 1) if begin <= end else (0, None)
