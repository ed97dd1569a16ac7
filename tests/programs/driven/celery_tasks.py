"""The tasks of a celery worker: quick ones, and ones that wait for a file."""

import os

import celery
import gevent
import redis

app = celery.Celery(
    "celery_tasks", broker=os.environ["BROKER"], backend=os.environ["RESULTS"]
)
app.conf.update(
    worker_prefetch_multiplier=2,
    broker_connection_retry=True,
    broker_connection_max_retries=None,
)
counts = redis.Redis.from_url(os.environ["RESULTS"])


@app.task
def add(one: int, other: int) -> int:
    return one + other


@app.task(bind=True)
def held(self: celery.Task, name: str, file: str) -> int:
    """Note under a name that it has begun, then wait until file is there."""
    counts.sadd(name, self.request.id)  # once, though it be delivered twice
    while not os.path.exists(file):
        gevent.sleep(0.05)
    return os.getpid()


@app.task
def failing(text: str) -> None:
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def retried(self: celery.Task) -> int:
    """Fails twice, then says how often it was tried."""
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries
