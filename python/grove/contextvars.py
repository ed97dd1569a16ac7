"""Context variables: those of the standard library.

Every greenlet has a context of its own, which the switch swaps, so that the
standard ones are right in greenlets and nothing needs to be patched.
"""

from contextvars import Context, ContextVar, Token, copy_context

__all__ = ["Context", "ContextVar", "Token", "copy_context"]

#: What patching would replace: nothing.
__implements__: list[str] = []
