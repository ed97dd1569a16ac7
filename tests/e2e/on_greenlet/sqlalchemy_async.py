"""SQLAlchemy's asyncio bridge: its blocking core in greenlets, on aiosqlite."""

import asyncio

import grove

grove.install_as_greenlet()

from sqlalchemy import Column, Integer, String, func, select  # noqa: E402
from sqlalchemy.exc import IntegrityError  # noqa: E402
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine  # noqa: E402
from sqlalchemy.orm import declarative_base  # noqa: E402
from sqlalchemy.util import await_only, greenlet_spawn  # noqa: E402
from sqlalchemy.util._concurrency_py3k import _AsyncIoGreenlet  # noqa: E402

assert issubclass(_AsyncIoGreenlet, grove._core.greenlet)

Base = declarative_base()


class Row(Base):
    __tablename__ = "rows"
    id = Column(Integer, primary_key=True)
    name = Column(String, unique=True)


async def insert(engine, n):
    async with AsyncSession(engine) as session:
        session.add_all([Row(name=f"{n}.{i}") for i in range(10)])
        await session.commit()


async def sqlite():
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    for n in range(10):
        await insert(engine, n)
    async with AsyncSession(engine) as session:
        rows = (await session.execute(select(Row).order_by(Row.id))).scalars().all()
        print(len(rows), rows[57].name)
        session.add(Row(name="5.7"))
        try:
            await session.commit()
        except IntegrityError:
            await session.rollback()
            print("refused")
        print((await session.execute(select(func.count(Row.id)))).scalar())
    await engine.dispose()


def blocking(n):
    for _ in range(n % 5):
        await_only(asyncio.sleep(0))
    if n == 13:
        raise KeyError(n)
    return n


async def bridge():
    results = await asyncio.gather(
        *(greenlet_spawn(blocking, n) for n in range(1000)), return_exceptions=True
    )
    print(sum(r for r in results if isinstance(r, int)), repr(results[13]))
    slow = asyncio.ensure_future(
        greenlet_spawn(lambda: await_only(asyncio.sleep(100)))
    )
    await asyncio.sleep(0)
    slow.cancel()
    try:
        await slow
    except asyncio.CancelledError:
        print("cancelled")


asyncio.run(sqlite())
asyncio.run(bridge())
