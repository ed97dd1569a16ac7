"""Drivers of databases, each in greenlets that wait for the server at once."""

from runtimes import Runtime

#: Ten greenlets wait for a lock of the server's while ten others query, each 7.
MET = ["meanwhile 70 entered 0", "entered 10"]


def test_psycopg2(on: Runtime, postgresql: int) -> None:
    assert on.run("psycopg2_queries.py", postgresql) == [
        *MET,
        "timed out 1",
        "echoed 3000000",
        "heard knocked",
        "refused: execute cannot be used while an asynchronous query is underway",
        "UndefinedColumn",
        "pooled 45",
    ]


def test_psycopg3(on: Runtime, postgresql: int) -> None:
    assert on.run("psycopg3_queries.py", postgresql) == [
        *MET,
        "heard knocked",
        "copied 499500",
        "queries 45",
    ]


def test_pg8000(on: Runtime, postgresql: int) -> None:
    assert on.run("pg8000_queries.py", postgresql) == [
        *MET,
        "summed 45165",
        "after rollback 0",
    ]


def test_peewee(on: Runtime, postgresql: int) -> None:
    assert on.run("peewee_rows.py", postgresql) == ["connections True", "rows 40 780"]


def test_pymysql(on: Runtime, mariadb: int) -> None:
    assert on.run("pymysql_queries.py", mariadb) == [
        *MET,
        "rows 500 124750 124750",
        "streamed 124750",
        "timed out",
    ]


def test_mysqlclient(on: Runtime, mariadb: int) -> None:
    assert on.run("mysqlclient_queries.py", mariadb) == [
        "meanwhile 7 0",
        "entered 5",
        "direct 42",
        "error 1054",
    ]


def test_redis(on: Runtime, redis: int) -> None:
    assert on.run("redis_clients.py", redis) == [
        "popped 190",
        "nothing came None",
        "heard one two True",
        "pipelines 1000 2000",
        "lock 0",
        "pool 200 True",
        "watched 201",
    ]


def test_memcache(on: Runtime, memcached: int) -> None:
    assert on.run("memcache_values.py", memcached) == [
        "sum 190 connections 20",
        "missing None",
        "stored []",
        "many ['a', 'b']",
        "deleted None",
    ]


def test_ldap3(on: Runtime, slapd: int) -> None:
    assert on.run("ldap3_entries.py", slapd) == [
        "sync True",
        "async 50",
        "reusable 20",
        "LDAPBindError",
    ]
