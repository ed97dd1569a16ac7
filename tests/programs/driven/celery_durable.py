"""A worker's task that is acknowledged once it is done, and whose messages are kept by
the broker; and, run as a program, its callers:

    celery_durable.py COUNT

Each call is numbered, and its number printed once the broker has it for good.
"""

import os
import socket
import sys

import gevent
from gevent import monkey
from gevent.pool import Pool

if __name__ == "__main__":
    monkey.patch_all()

import celery  # noqa: E402

CALLERS = 10
PATIENCE = 10  # seconds that a confirmation may take

app = celery.Celery("celery_durable", broker=os.environ["BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry=True,
    broker_connection_max_retries=None,
    broker_heartbeat=4,
    broker_transport_options={
        "confirm_publish": True,
        # Of a peer that was killed nothing may be heard: the packet can be lost.
        "socket_settings": {
            socket.TCP_KEEPIDLE: 2,
            socket.TCP_KEEPINTVL: 1,
            socket.TCP_KEEPCNT: 5,
        },
    },
)


@app.task(name="noted")
def noted(number: int) -> None:
    """Notes that it has begun, and that it is done."""
    path = os.path.join(os.environ["NOTES"], str(number))
    with open(path, "a") as note:
        note.write("begun\n")
    gevent.sleep(0.3)
    with open(path, "a") as note:
        note.write("done\n")


def call(number: int) -> int:
    retried = {"max_retries": None, "interval_start": 0.1, "interval_max": 1}
    noted.apply_async(
        (number,), retry=True, retry_policy=retried, timeout=PATIENCE
    )
    return number


def main() -> None:
    for number in Pool(CALLERS).imap_unordered(call, range(int(sys.argv[1]))):
        print(number, flush=True)


if __name__ == "__main__":
    main()
