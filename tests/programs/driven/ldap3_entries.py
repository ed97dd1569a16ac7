"""ldap3: its strategies sync, asynchronous (a reader thread) and reusable (a pool)."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import ldap3  # noqa: E402

server = ldap3.Server("127.0.0.1", int(sys.argv[1]), get_info=ldap3.NONE)
ADMIN = {"user": "cn=admin,dc=grove", "password": "secret"}


def connect(strategy: str = ldap3.SYNC, **options: object) -> ldap3.Connection:
    return ldap3.Connection(
        server, client_strategy=strategy, auto_bind=True, **ADMIN, **options
    )


admin = connect()
admin.add("dc=grove", ["dcObject", "organization"], {"o": "grove"})
for n in range(50):
    admin.add(f"cn=p{n},dc=grove", "person", {"sn": f"name{n}"})


def find(n: int) -> str:
    connection = connect()
    for _ in range(5):
        connection.search("dc=grove", f"(cn=p{n})", attributes=["sn"])
        assert len(connection.entries) == 1
    found = str(connection.entries[0].sn)
    connection.unbind()
    return found


jobs = [gevent.spawn(find, n) for n in range(20)]
gevent.joinall(jobs, raise_error=True)
print("sync", [job.value for job in jobs] == [f"name{n}" for n in range(20)])

asynchronous = connect(ldap3.ASYNC)
asked = [
    asynchronous.search("dc=grove", f"(cn=p{n})", attributes=["sn"]) for n in range(50)
]
answers = [asynchronous.get_response(message, timeout=30)[0] for message in asked]
print("async", sum(len(answer) for answer in answers))
asynchronous.unbind()

reusable = connect(ldap3.REUSABLE, pool_name="pool", pool_size=3)


def pooled(n: int) -> int:
    asked = reusable.search("dc=grove", f"(cn=p{n})", attributes=["sn"])
    return len(reusable.get_response(asked, timeout=30)[0])


jobs = [gevent.spawn(pooled, n) for n in range(20)]
gevent.joinall(jobs, raise_error=True)
print("reusable", sum(job.value for job in jobs))
reusable.unbind()

try:
    ldap3.Connection(server, "cn=admin,dc=grove", "wrong", auto_bind=True)
except ldap3.core.exceptions.LDAPBindError as error:
    print(type(error).__name__)
