"""Responses of the server itself: those that tell of errors."""

from email.utils import formatdate
from http.client import responses

__all__ = ["error_answer", "error_response", "format_date_time"]

#: Reasons that are gevent's, and not the standard library's.
_REASONS = {414: "Request URI Too Long"}


def format_date_time(timestamp: float) -> bytes:
    """timestamp, in seconds since the epoch, as HTTP writes dates."""
    return formatdate(timestamp, usegmt=True).encode("latin-1")


def _reason(code: int) -> str:
    return _REASONS.get(code) or responses[code]


def error_answer(code: int) -> tuple[str, bytes]:
    """The status of a request that is not taken, and all bytes of the response."""
    head = (
        f"HTTP/1.1 {code} {_reason(code)}\r\n"
        "Connection: close\r\nContent-length: 0\r\n\r\n"
    )
    return str(code), head.encode("latin-1")


def error_response(code: int) -> tuple[str, list[tuple[str, str]], bytes]:
    """What start_response is given of an error, and the body."""
    body = responses[code].encode() if code >= 500 else b""
    headers = [
        ("Content-Type", "text/plain"),
        ("Connection", "close"),
        ("Content-Length", str(len(body))),
    ]
    return f"{code} {_reason(code)}", headers, body
