"""The headers of a request, as programs look at them."""

from http.client import HTTPMessage, parse_headers
from typing import Any

__all__ = ["Headers"]


class Headers(HTTPMessage):
    """A message of headers only, with the methods that mimetools' had."""

    #: What is wrong with them; "": nothing.
    status = ""

    _headers: list[tuple[str, str]]

    @classmethod
    def of(cls, pairs: list[tuple[str, str]]) -> "Headers":
        """Those of (name, value) pairs that have been looked at."""
        headers = cls()
        headers._headers = pairs
        return headers

    @classmethod
    def read(cls, file: Any) -> "Headers":
        """Those that a file has, up to an empty line; HTTPException when they are
        too long or too many."""
        return parse_headers(file, _class=cls)  # type: ignore[return-value]

    def getheader(self, name: str, default: Any = None) -> Any:
        """As get."""
        return self.get(name, default)

    @property
    def headers(self) -> Any:
        """Each one's line."""
        return (f"{name}: {value}\r\n" for name, value in self._headers)

    @property
    def typeheader(self) -> str | None:
        """The Content-Type; None without one."""
        return self.get("content-type")
