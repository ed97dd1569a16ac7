"""Shows that greenlets wait for a server at the same time, not in turn."""

from collections.abc import Callable

import gevent


def meet(connect: Callable, take: str, give: str, crowd: int = 10) -> None:
    """Have crowd greenlets wait for a lock of the server's that this one holds,
    and print how many others could query meanwhile.

    connect: makes a DB-API connection. take, give: the queries of the lock.
    A driver that held up the thread would never give the lock back.
    """

    def query(connection: object, text: str) -> object:
        cursor = connection.cursor()
        cursor.execute(text)
        return cursor.fetchone()

    owner = connect()
    query(owner, take)
    entered = []

    def enter() -> None:
        connection = connect()
        query(connection, take)
        entered.append(1)
        query(connection, give)
        connection.close()

    def other() -> int:
        connection = connect()
        try:
            return int(query(connection, "SELECT 7")[0])
        finally:
            connection.close()

    waiting = [gevent.spawn(enter) for _ in range(crowd)]
    others = [gevent.spawn(other) for _ in range(crowd)]
    gevent.joinall(others, raise_error=True)
    print("meanwhile", sum(o.value for o in others), "entered", len(entered))
    query(owner, give)
    gevent.joinall(waiting, raise_error=True)
    owner.close()
    print("entered", len(entered))
