"""Python's drivers in C that know nothing of Grove: how each connects, and has its
server wait.

Nothing of a driver is imported before it connects, so that a program may patch
what it likes, first.
"""

from dataclasses import dataclass
from typing import Any


@dataclass
class Driver:
    name: str
    module: str
    package: str  # of Debian
    server: str  # a fixture

    def connect(self, port: int) -> Any:
        """A connection on which the server has answered."""
        raise NotImplementedError

    def query(self, connection: Any, seconds: float) -> int:
        """7, which the server says after so long."""
        raise NotImplementedError


class Psycopg2(Driver):
    def connect(self, port: int) -> Any:
        import psycopg2

        return psycopg2.connect(host="127.0.0.1", port=port, user="postgres")

    def query(self, connection: Any, seconds: float) -> int:
        cursor = connection.cursor()
        cursor.execute("select 7, pg_sleep(%s)", (seconds,))
        return cursor.fetchone()[0]


class MySQLClient(Driver):
    def connect(self, port: int) -> Any:
        import MySQLdb

        return MySQLdb.connect(host="127.0.0.1", port=port, user="root")

    def query(self, connection: Any, seconds: float) -> int:
        cursor = connection.cursor()
        cursor.execute("select 7 + sleep(%s)", (seconds,))
        return int(cursor.fetchone()[0])


class PyCurl(Driver):
    """A connection is a function that gets the page of so many seconds."""

    def connect(self, port: int) -> Any:
        import io

        import pycurl

        curl = pycurl.Curl()  # keeps the connection from page to page

        def get(seconds: float) -> int:
            body = io.BytesIO()
            curl.setopt(pycurl.URL, f"http://localhost:{port}/{seconds}")
            curl.setopt(pycurl.WRITEDATA, body)
            curl.perform()
            return int(body.getvalue())

        get(0)
        return get

    def query(self, connection: Any, seconds: float) -> int:
        return connection(seconds)


DRIVERS = {
    driver.name: driver
    for driver in (
        Psycopg2("psycopg2", "psycopg2", "python3-psycopg2", "postgresql"),
        MySQLClient("mysqlclient", "MySQLdb", "python3-mysqldb", "mariadb"),
        PyCurl("pycurl", "pycurl", "python3-pycurl", "slow"),
    )
}
