"""Attributes that are different in each greenlet."""

from grove._core import all_local_dicts_for_greenlet, local

__all__ = ["local"]
