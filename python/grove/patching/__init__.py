"""Patching: what grove.monkey does.

    warning.py     warnings, which show the line of who patches
    originals.py   what was replaced, and replacing a name
    module.py      replacing the names of one module
    parts.py       the standard modules, one by one
    whole.py       patch_all
    command.py     python -m grove.monkey

For grove.monkey, which programs import.
"""
