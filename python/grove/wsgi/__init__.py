"""The WSGI server's insides.

    input.py   the body of a request, as an application reads it

For grove.pywsgi, which programs import.
"""
