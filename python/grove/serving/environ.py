"""The environments of requests, and how they print."""

from collections.abc import Container
from typing import Any

__all__ = ["Environ", "SecureEnviron", "WSGISecureEnviron"]

_MASK = "<MASKED>"


class Environ(dict):
    """A dict for a request's environment, to be subclassed.

    >>> from grove.pywsgi import Environ
    >>> class Mine(Environ):
    ...     pass
    >>> Mine(PATH_INFO="/")["PATH_INFO"]
    '/'
    """

    __slots__ = ()

    def copy(self) -> "Environ":
        """A shallow copy of the same class.

        >>> from grove.pywsgi import Environ
        >>> type(Environ(PATH_INFO="/").copy()).__name__
        'Environ'
        """
        return type(self)(self)

    def iteritems(self) -> Any:
        """items(), by its old name.

        >>> from grove.pywsgi import Environ
        >>> list(Environ(PATH_INFO="/").iteritems())
        [('PATH_INFO', '/')]
        """
        return self.items()

    def __reduce_ex__(self, protocol: Any) -> Any:
        # It is read back as a plain dict, which is what applications are given.
        return dict, (), None, None, iter(self.items())


class SecureEnviron(Environ):
    """An environment that prints no values but those that are listed.

    Each of the three attributes can be set on an instance; a subclass has its
    defaults under the names that begin with default_.

    >>> from grove.pywsgi import SecureEnviron
    >>> environ = SecureEnviron(PATH_INFO="/", HTTP_COOKIE="secret")
    >>> environ.whitelist_keys = ["PATH_INFO"]
    >>> environ
    {'PATH_INFO': '/', 'HTTP_COOKIE': '<MASKED>'}
    """

    #: Whether anything is held back.
    default_secure_repr: bool = True
    #: The keys whose values are printed.
    default_whitelist_keys: Container[str] = ()
    #: Whether the other keys are, with a mask for their values.
    default_print_masked_keys: bool = True

    __slots__ = ("print_masked_keys", "secure_repr", "whitelist_keys")

    def __getattr__(self, name: str) -> Any:
        # An instance that has a value of its own does not come here.
        if name in SecureEnviron.__slots__:
            return getattr(type(self), "default_" + name)
        raise AttributeError(name)

    def __repr__(self) -> str:
        if not self.secure_repr:
            return dict.__repr__(self)
        if not self.whitelist_keys:
            return f"<pywsgi.SecureEnviron dict (keys: {len(self)}) at {id(self)}>"
        return self._masked()

    __str__ = __repr__

    def _masked(self) -> str:
        listed = self.whitelist_keys
        shown = {k: v if k in listed else _MASK for k, v in self.items()}
        if self.print_masked_keys:
            return repr(shown)
        text = repr({k: v for k, v in shown.items() if k in listed})
        hidden = sum(key not in listed for key in self)
        return f"{text[:-1]}, (hidden keys: {hidden})}}" if hidden else text


class WSGISecureEnviron(SecureEnviron):
    """That of requests: it shows who asked whom, and nothing that was sent.

    >>> from grove.pywsgi import WSGISecureEnviron
    >>> WSGISecureEnviron(HTTP_HOST="localhost", HTTP_COOKIE="secret")
    {'HTTP_HOST': 'localhost', (hidden keys: 1)}
    """

    default_whitelist_keys = ("REMOTE_ADDR", "REMOTE_PORT", "HTTP_HOST")
    default_print_masked_keys = False
