"""psycopg 3: its own waiting, by patched selectors; notifications and a copy."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import psycopg  # noqa: E402
from crowd import meet  # noqa: E402

port = int(sys.argv[1])
address = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"


def connect() -> psycopg.Connection:
    return psycopg.connect(address, autocommit=True)


meet(connect, "SELECT 1 FROM pg_advisory_lock(3)", "SELECT pg_advisory_unlock(3)")


def hear() -> str:
    with connect() as connection:
        connection.execute("LISTEN door")
        ready.append(True)
        return next(connection.notifies()).payload


ready: list = []
hearing = gevent.spawn(hear)
while not ready:
    gevent.sleep(0.001)
with connect() as connection:
    connection.execute("NOTIFY door, 'knocked'")
    print("heard", hearing.get(30))
    connection.execute("CREATE TEMPORARY TABLE copied (n int)")
    with connection.cursor().copy("COPY copied FROM STDIN") as copy:
        for n in range(1000):
            copy.write_row((n,))
    print("copied", *connection.execute("SELECT sum(n) FROM copied").fetchone())


def queries(n: int) -> int:
    with connect() as connection:
        for _ in range(50):
            assert connection.execute("SELECT %s::int", (n,)).fetchone() == (n,)
    return n


jobs = [gevent.spawn(queries, n) for n in range(10)]
gevent.joinall(jobs, raise_error=True)
print("queries", sum(job.value for job in jobs))
