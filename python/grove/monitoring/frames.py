"""What looks like a frame, for printing where a Greenlet was made."""

from types import CodeType
from typing import Any

__all__ = ["chain"]


class _Frame:
    """A place in code; the variables are not there."""

    __slots__ = ("f_code", "f_lasti", "f_lineno", "f_back")

    f_globals: dict[str, Any] = {}
    f_locals: dict[str, Any] = {}
    f_builtins: dict[str, Any] = {}
    f_trace = None

    def __init__(
        self, code: CodeType, lasti: int, line: int, back: "_Frame | None"
    ) -> None:
        self.f_code = code
        self.f_lasti = lasti
        self.f_lineno = line
        self.f_back = back

    def __repr__(self) -> str:
        return (
            f"<{self.f_code.co_filename}:{self.f_lineno} in {self.f_code.co_name}>"
        )


def chain(places: list[tuple[CodeType, int, int]]) -> _Frame | None:
    """Frames of (code, instruction, line), innermost first, linked by f_back."""
    frame = None
    for code, lasti, line in reversed(places):
        frame = _Frame(code, lasti, line, frame)
    return frame
