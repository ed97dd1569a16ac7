"""The environments of requests, and how they print."""

__all__ = ["Environ", "SecureEnviron", "WSGISecureEnviron"]


class Environ(dict):
    """The WSGI environment of a request."""

    __slots__ = ()


class SecureEnviron(Environ):
    """An environment that prints only what is listed as harmless."""

    default_secure_repr = True
    default_whitelist_keys: tuple[str, ...] = ()
    default_print_masked_keys = True

    def __repr__(self) -> str:
        if not self.default_secure_repr:
            return dict.__repr__(self)
        shown = {
            k: v if k in self.default_whitelist_keys else "<MASKED>"
            for k, v in self.items()
            if self.default_print_masked_keys or k in self.default_whitelist_keys
        }
        return repr(shown)

    __str__ = __repr__


class WSGISecureEnviron(SecureEnviron):
    """That of requests: what tells nothing of their senders."""

    default_whitelist_keys = (
        "wsgi.errors",
        "wsgi.multiprocess",
        "wsgi.multithread",
        "wsgi.run_once",
        "wsgi.url_scheme",
        "wsgi.version",
    )
