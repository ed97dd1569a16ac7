"""PyMySQL: queries that wait for each other on a connection each."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import pymysql  # noqa: E402
from crowd import meet  # noqa: E402

port = int(sys.argv[1])


def connect() -> pymysql.Connection:
    return pymysql.connect(
        host="127.0.0.1", port=port, user="root", database="test", autocommit=True
    )


meet(connect, "SELECT GET_LOCK('door', 60)", "SELECT RELEASE_LOCK('door')")

with connect() as connection, connection.cursor() as cursor:
    cursor.execute("CREATE OR REPLACE TABLE t (n INT PRIMARY KEY, s TEXT)")


def insert(first: int) -> None:
    with connect() as connection, connection.cursor() as cursor:
        for n in range(first, first + 50):
            cursor.execute("INSERT INTO t VALUES (%s, %s)", (n, "é" * n))


gevent.joinall([gevent.spawn(insert, n) for n in range(0, 500, 50)], raise_error=True)
with connect() as connection, connection.cursor() as cursor:
    cursor.execute("SELECT COUNT(*), SUM(n), SUM(CHAR_LENGTH(s)) FROM t")
    print("rows", *map(int, cursor.fetchone()))

with connect() as connection, connection.cursor(pymysql.cursors.SSCursor) as cursor:
    cursor.execute("SELECT s FROM t ORDER BY n")
    print("streamed", sum(len(s) for (s,) in cursor))

connection = connect()
with gevent.Timeout(0.05, False):
    connection.cursor().execute("SELECT SLEEP(30)")
    print("never")
connection.close()
print("timed out")
