"""psycopg2, whose C code waits by a callback of psycogreen's."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import psycopg2  # noqa: E402
import psycopg2.errors  # noqa: E402
import psycopg2.pool  # noqa: E402
from crowd import meet  # noqa: E402
from psycogreen.gevent import patch_psycopg  # noqa: E402

patch_psycopg()
port = int(sys.argv[1])
address = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"


def connect() -> psycopg2.extensions.connection:
    connection = psycopg2.connect(address)
    connection.autocommit = True
    return connection


meet(connect, "SELECT 1 FROM pg_advisory_lock(2)", "SELECT pg_advisory_unlock(2)")

# A wait that is given up leaves the connection closed or usable, never another's.
connection = connect()
with gevent.Timeout(0.05, False):
    connection.cursor().execute("SELECT pg_sleep(30)")
    print("never")
connection.close()
print("timed out", connection.closed)

# Much more than a socket's buffer, both ways.
connection = connect()
cursor = connection.cursor()
cursor.execute("SELECT %s::text", ("x" * 3_000_000,))
print("echoed", len(cursor.fetchone()[0]))

# News come while the greenlet waits for its descriptor.
cursor.execute("LISTEN door")


def hear() -> list:
    from gevent.socket import wait_read

    while not connection.notifies:
        wait_read(connection.fileno())
        connection.poll()
    return [note.payload for note in connection.notifies]


hearing = gevent.spawn(hear)
gevent.sleep(0)
connect().cursor().execute("NOTIFY door, 'knocked'")
print("heard", *hearing.get(30))

# Two that wait for one connection: psycopg2 refuses the second.
shared = connect()
first = gevent.spawn(shared.cursor().execute, "SELECT pg_sleep(0.2)")
gevent.sleep(0)
try:
    shared.cursor().execute("SELECT 1")
except psycopg2.ProgrammingError as error:
    print("refused:", error)
first.get(30)

# Errors of the server's keep their class through the callback.
try:
    connect().cursor().execute("SELECT nothing")
except psycopg2.errors.UndefinedColumn as error:
    print(type(error).__name__)

pool = psycopg2.pool.ThreadedConnectionPool(10, 10, address)


def pooled(n: int) -> int:
    connection = pool.getconn()
    try:
        cursor = connection.cursor()
        for _ in range(100):
            cursor.execute("SELECT %s", (n,))
            assert cursor.fetchone() == (n,)
        return n
    finally:
        pool.putconn(connection)


jobs = [gevent.spawn(pooled, n) for n in range(10)]
gevent.joinall(jobs, raise_error=True)
print("pooled", sum(job.value for job in jobs))
