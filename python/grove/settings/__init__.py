"""Settings: what `grove.config` holds.

    values.py    kinds of values, and what each makes of a string
    setting.py   one setting
    config.py    all of them

For the package itself, and for hubs and monitoring, which ask for settings.
"""
