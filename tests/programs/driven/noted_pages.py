"""Pages that note who asked for them, each by a request that must not be answered
twice; and, run as a program, the clients:

    noted_pages.py HOST PORT COUNT
"""

import os
import sys

import gevent
from gevent import monkey
from gevent.pool import Pool

if __name__ == "__main__":
    monkey.patch_all()

import http.client  # noqa: E402

CLIENTS = 20
PATIENCE = 60  # seconds


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    gevent.sleep(0.05)
    with open(os.path.join(os.environ["NOTES"], name), "a") as note:
        note.write("asked\n")
    body = name.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def ask(number: int) -> str:
    """The status, and whose answer came; or that it broke off."""
    connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), PATIENCE)
    try:
        connection.request("POST", f"/{number}", b"x" * 3000)
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException):
        return f"{number} broken"
    finally:
        connection.close()
    return f"{number} {answer.status} {body if answer.status == 200 else ''}"


def main() -> None:
    pool = Pool(CLIENTS)
    for line in pool.imap_unordered(ask, range(int(sys.argv[3]))):
        print(line, flush=True)


if __name__ == "__main__":
    main()
