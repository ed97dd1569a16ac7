"""The WSGI server's insides.

    environ.py    environments that print little
    log.py        where its logs go
    headers.py    the headers of a request
    input.py      the body of a request, as an application reads it
    responses.py  responses that tell of errors
    wrapper.py    files that applications return
    handler.py    a connection
    server.py     the server
    command.py    python -m grove.pywsgi

What every request goes through is compiled (python/src/wsgi).

For grove.pywsgi, which programs import.
"""
