"""What `make` and the scripts in tools/ are made of.

    trees       the build directories: where they are, configuring, building
    ending      what is started ends with what has started it
    running     a command with its output in a log, not for ever, and with
                signals as a program expects them
    progress    what a running command is at, told in place or line by line
    results     what a part of the tests came to, counted
    parts       the parts of the tests
    sources     the checkout without what was built in it
    site        the documentation as a site
    roots       a root of a Debian release: made, and run in

Nothing here is installed or imported by the package.
"""
