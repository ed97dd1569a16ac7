"""The WSGI server's insides.

    environ.py    the environments of requests
    log.py        where its logs go
    input.py      the body of a request, as an application reads it
    request.py    reading a request
    response.py   writing a response
    handler.py    a connection, with both
    server.py     the server
    command.py    python -m grove.pywsgi

For grove.pywsgi, which programs import.
"""
