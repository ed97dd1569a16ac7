"""peewee over psycopg2: a connection a greenlet, a pool, transactions."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
from peewee import IntegerField, Model  # noqa: E402
from playhouse.pool import PooledPostgresqlDatabase  # noqa: E402
from psycogreen.gevent import patch_psycopg  # noqa: E402

patch_psycopg()
database = PooledPostgresqlDatabase(
    "postgres",
    host="127.0.0.1",
    port=int(sys.argv[1]),
    user="postgres",
    max_connections=4,
    timeout=30,
)


class Row(Model):
    number = IntegerField()

    class Meta:
        database = database


database.connect()
database.drop_tables([Row])
database.create_tables([Row])
database.close()


def insert(n: int) -> int:
    """Insert in a transaction, and say who the server says it was."""
    with database.connection_context(), database.atomic():
        Row.create(number=n)
        gevent.sleep(0)
        return database.execute_sql("SELECT pg_backend_pid()").fetchone()[0]


def undone(n: int) -> None:
    with database.connection_context():
        try:
            with database.atomic():
                Row.create(number=-n)
                gevent.sleep(0)
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass


jobs = [gevent.spawn(insert, n) for n in range(40)]
gevent.joinall(jobs + [gevent.spawn(undone, n) for n in range(40)], raise_error=True)
print("connections", len({job.value for job in jobs}) <= 4)
with database.connection_context():
    print("rows", Row.select().count(), sum(row.number for row in Row.select()))
