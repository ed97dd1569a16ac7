"""The project of a name, and no package: else its folder would be passed over without
a word, and another gevent be imported."""

raise ImportError(
    "python/compat is where Grove's names are made of: build/compat is to be on the path"
)
