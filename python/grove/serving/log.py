"""Where a server's log and its error log go: a stream, a logger, or nowhere."""

import logging
from collections.abc import Iterable
from typing import Any

__all__ = ["LoggingLogAdapter", "NoopLog", "log_stream"]


class LoggingLogAdapter:
    """A logger as a stream: what is written is logged at a level.

    Its other attributes are the logger's.

    >>> import logging
    >>> from grove.pywsgi import LoggingLogAdapter
    >>> log = LoggingLogAdapter(logging.getLogger("requests"), logging.DEBUG)
    >>> log.name
    'requests'
    """

    __slots__ = ("_level", "_logger")

    def __init__(self, logger: Any, level: int = logging.INFO) -> None:
        self._logger = logger
        self._level = level

    def write(self, msg: str) -> None:
        """Log msg, without the end of its line.

        >>> import logging, sys
        >>> from grove.pywsgi import LoggingLogAdapter
        >>> logger = logging.Logger("requests")
        >>> logger.addHandler(logging.StreamHandler(sys.stdout))
        >>> LoggingLogAdapter(logger).write("GET /\\n")
        GET /
        """
        self._logger.log(self._level, msg.removesuffix("\n"))

    def writelines(self, lines: Iterable[str]) -> None:
        """Log each of lines.

        >>> import logging, sys
        >>> from grove.pywsgi import LoggingLogAdapter
        >>> logger = logging.Logger("requests")
        >>> logger.addHandler(logging.StreamHandler(sys.stdout))
        >>> LoggingLogAdapter(logger).writelines(["GET /a\\n", "GET /b\\n"])
        GET /a
        GET /b
        """
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing: a logger sees to that.

        >>> import logging
        >>> from grove.pywsgi import LoggingLogAdapter
        >>> LoggingLogAdapter(logging.getLogger("requests")).flush()
        """

    def isatty(self) -> bool:
        """False.

        >>> import logging
        >>> from grove.pywsgi import LoggingLogAdapter
        >>> LoggingLogAdapter(logging.getLogger("requests")).isatty()
        False
        """
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in LoggingLogAdapter.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._logger, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._logger, name)


class NoopLog:
    """A stream that drops everything."""

    def write(self, *args: Any) -> None:
        """Nothing."""

    writelines = flush = write

    def isatty(self) -> bool:
        """False."""
        return False


def log_stream(log: Any, level: int = logging.INFO) -> Any:
    """What has write() for log: a stream, a logger (told at level), or None."""
    if log is None:
        return NoopLog()
    if not hasattr(log, "write") and hasattr(log, "log"):
        return LoggingLogAdapter(log, level)
    return log
