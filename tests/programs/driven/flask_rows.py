"""A Flask application on SQLAlchemy and psycopg2: a scoped session a request, all of
which share one connection of a pool, and requests that wait for the server."""

import os

import gevent
import psycopg2
from flask import Flask
from psycogreen.gevent import patch_psycopg
from sqlalchemy import Column, Integer, create_engine, text
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker
from sqlalchemy.pool import QueuePool

patch_psycopg()
ADDRESS = f"postgresql://postgres@127.0.0.1:{os.environ['DATABASE_PORT']}/postgres"
engine = create_engine(
    ADDRESS, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=60
)
Session = scoped_session(sessionmaker(bind=engine))
Base = declarative_base()
app = Flask(__name__)
in_use: dict[int, object] = {}  # the greenlet of each session that is in use
owner = psycopg2.connect(ADDRESS)  # of the lock that /enter waits for
owner.cursor().execute("SELECT pg_advisory_lock(9)")


class Row(Base):
    __tablename__ = "flask_rows"
    id = Column(Integer, primary_key=True)
    number = Column(Integer)


Base.metadata.drop_all(engine)
Base.metadata.create_all(engine)


@app.teardown_appcontext
def forget(error: object) -> None:
    in_use.pop(id(Session()), None)
    Session.remove()


@app.route("/add/<int:number>")
def add(number: int) -> str:
    """Add a row; "shared" if another request has this one's session."""
    session = Session()
    if in_use.setdefault(id(session), gevent.getcurrent()) is not gevent.getcurrent():
        return "shared"
    gevent.sleep(0)
    row = Row(number=number)
    session.add(row)
    session.flush()
    gevent.sleep(0)
    alone = Session() is session and session.identity_map.values() == [row]
    session.commit()
    return "alone" if alone else "shared"


@app.route("/undo/<int:number>")
def undo(number: int) -> str:
    Session().add(Row(number=-number))
    Session().flush()
    gevent.sleep(0)
    Session().rollback()
    return "undone"


@app.route("/sum")
def total() -> str:
    count, sum_of = Session().execute(
        text("SELECT count(*), sum(number) FROM flask_rows")
    ).fetchone()
    return f"{count} {sum_of}"


@app.route("/enter")
def enter() -> str:
    """Wait for the lock, on a connection outside of the pool."""
    connection = psycopg2.connect(ADDRESS)
    connection.cursor().execute("SELECT pg_advisory_lock(9)")
    connection.close()
    return "entered"


@app.route("/waiting")
def waiting() -> str:
    statement = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
    return str(Session().execute(statement).scalar())


@app.route("/free")
def free() -> str:
    owner.cursor().execute("SELECT pg_advisory_unlock(9)")
    return "free"
