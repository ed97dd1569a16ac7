"""Names: what the package and its parts are called by programs.

    aliases.py    gevent.x and greenlet, for the modules here
    versions.py   the versions that programs ask for
    publish.py    classes shown as those of the module that users import
    unbuilt.py    what is said where the extension is not found
    plugins.py    the entry points of who listens to events

For everybody: it imports nothing of the package.
"""
