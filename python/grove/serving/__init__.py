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

Of python3 -m grove.serve:

    options.py    what it can be asked for
    listeners.py  the sockets that its processes listen on
    master.py     the process that looks after the others
    worker.py     one of those
    processes.py  how they tell of themselves
    pid_file.py   where the number of the former stands
    access_log.py lines about requests
    static.py     files below a folder
    metrics.py    the numbers of the process
    asgi_loop.py  an asyncio loop in a greenlet
    asgi.py       requests that an application in it answers

What every request goes through is compiled (python/src/wsgi).

For grove.pywsgi, which programs import, and the commands gunicorn and serve.
"""
