"""PostgreSQL through asyncpg. Imported on demand, because SQLAlchemy's asyncio part takes 100 ms to import."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from runtime.stores.sqlite import Database, SqlAlchemySession, T, Work
from runtime.stores.store import StoreError


class PostgresDatabase(Database):
    """A PostgreSQL database with a pool of `pool_size` connections."""

    def __init__(self, url: URL, *, pool_size: int) -> None:
        self._url = url
        self._engine = _postgres_engine(url, pool_size)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self.dialect = self._engine.dialect

    async def open(self) -> None:
        try:
            async with self._engine.connect():
                return
        except (OSError, SQLAlchemyError) as error:
            reason = getattr(error, "orig", None) or error
            where = self._url.render_as_string(hide_password=True)
            raise StoreError(f"can't open the store {where!r}: {reason}") from error

    async def close(self) -> None:
        await self._engine.dispose()

    async def read(self, work: Work[T]) -> T:
        async with self._autocommit.connect() as connection:
            return await connection.run_sync(lambda core: work(SqlAlchemySession(core)))

    async def write(self, work: Work[T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(lambda core: work(SqlAlchemySession(core)))


def _postgres_engine(url: URL, pool_size: int) -> AsyncEngine:
    try:
        import asyncpg  # type: ignore[import-untyped]  # noqa: F401  # it ships no types
    except ImportError:
        raise StoreError("a postgresql store needs asyncpg (pip install 'chatkit-runtime[postgres]')") from None
    query = dict(url.query)
    # libpq and most hosting providers write `sslmode`; asyncpg calls it `ssl`.
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    url = url.set(drivername="postgresql+asyncpg", query=query)
    return create_async_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True, pool_timeout=30)
