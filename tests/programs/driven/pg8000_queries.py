"""pg8000: queries of greenlets, a connection each, and a transaction undone."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import pg8000  # noqa: E402
from crowd import meet  # noqa: E402

port = int(sys.argv[1])


def connect() -> pg8000.Connection:
    connection = pg8000.connect(
        user="postgres", host="127.0.0.1", port=port, database="postgres"
    )
    connection.autocommit = True
    return connection


meet(connect, "SELECT 1 FROM pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)")


def series(n: int) -> int:
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("SELECT g FROM generate_series(1, %s) g", (n,))
    total = sum(row[0] for row in cursor.fetchall())
    connection.close()
    return total


jobs = [gevent.spawn(series, 90 + n) for n in range(10)]
gevent.joinall(jobs, raise_error=True)
print("summed", sum(job.value for job in jobs))

connection = connect()
connection.autocommit = False
cursor = connection.cursor()
cursor.execute("CREATE TEMPORARY TABLE kept (n int)")
connection.commit()
cursor.execute("INSERT INTO kept VALUES (1)")
connection.rollback()
cursor.execute("SELECT count(*) FROM kept")
print("after rollback", cursor.fetchone()[0])
