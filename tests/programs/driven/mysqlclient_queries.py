"""mysqlclient, whose C library waits in the kernel: so in the hub's threads."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import MySQLdb  # noqa: E402

port = int(sys.argv[1])
pool = gevent.get_hub().threadpool


def connect() -> MySQLdb.Connection:
    return MySQLdb.connect(host="127.0.0.1", port=port, user="root")


def query(connection: MySQLdb.Connection, text: str) -> int:
    cursor = connection.cursor()
    cursor.execute(text)
    return int(cursor.fetchone()[0])


def in_thread(text: str) -> int:
    """What a query says, while other greenlets run."""
    connection = pool.apply(connect)
    try:
        return pool.apply(query, (connection, text))
    finally:
        connection.close()


owner = connect()
query(owner, "SELECT GET_LOCK('pane', 60)")
entered = [gevent.spawn(in_thread, "SELECT GET_LOCK('pane', 60)") for _ in range(5)]
print("meanwhile", in_thread("SELECT 7"), sum(e.ready() for e in entered))
query(owner, "SELECT RELEASE_LOCK('pane')")
gevent.joinall(entered, raise_error=True)
print("entered", sum(e.value for e in entered))

# On the greenlet's own thread it works as well, and holds the others up.
print("direct", query(owner, "SELECT 6 * 7"))
try:
    query(owner, "SELECT nothing")
except MySQLdb.OperationalError as error:
    print("error", error.args[0])
