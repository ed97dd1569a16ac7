"""A setting: where its value comes from, and when it is settled."""

import os
from collections.abc import Callable
from typing import Any

from grove.settings.values import BadValue

__all__ = ["Setting"]

_UNSET = object()


class Setting:
    """One of them: its name, where it comes from, what it can be."""

    def __init__(
        self,
        name: str,
        environment_key: str,
        default: Any,
        convert: Callable[[Any], Any],
        desc: str,
        applied: Callable[[Any], object] | None = None,
    ) -> None:
        self.name = name
        #: The environment variable.
        self.environment_key = environment_key
        #: What it is without that, before it is converted.
        self.default = default
        self.desc = " ".join(desc.split())
        self.__doc__ = self.desc
        self._convert = convert
        self._applied = applied
        self._value: Any = _UNSET

    def __repr__(self) -> str:
        return f"<Setting {self.name} environment_key={self.environment_key}>"

    def validate(self, value: Any) -> Any:
        """The value that `value` stands for.

        Raises ValueError when it is none of this setting's; ImportError when it
        cannot be imported.
        """
        return self._checked(value, self.name)

    def _checked(self, value: Any, source: str) -> Any:
        try:
            return self._convert(value)
        except BadValue as bad:
            raise ValueError(f"{source}={value!r}: expected {bad}") from None

    def get(self) -> Any:
        """The value, settled now if it was not yet. Errors as validate's."""
        if self._value is _UNSET:
            given = os.environ.get(self.environment_key)
            if given is None or not given.strip():
                value = self._checked(self.default, self.name)
            else:
                value = self._checked(given, self.environment_key)
            self._settle(value)
        return self._value

    def set(self, value: Any) -> None:
        """Make it what `value` stands for. Errors as validate's."""
        self._settle(self.validate(value))

    def _settle(self, value: Any) -> None:
        self._value = value
        if self._applied is not None:
            self._applied(value)
