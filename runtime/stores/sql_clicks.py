"""The clicks whose handlers run, in SQLite and PostgreSQL, and the buttons that are used up."""

from __future__ import annotations

from abc import ABC
from typing import Any

import sqlalchemy as sa

from runtime.stores import serialization as codec
from runtime.stores import statements as sql
from runtime.stores.prepared_statements import Statement
from runtime.stores.rows import item_missing, thread_keys
from runtime.stores.sqlite import Database, SqlSession, first
from runtime.stores.turn_statements import HOLDER, LEASE_END, Now
from runtime.stores.turns import Click, TurnStore

# A row with a holder is a run of a handler, one without is a button that is used up: its `payload` is empty.
CLICKS = sa.Table(
    "chatkit_clicks",
    sql.METADATA,
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("until", sa.Double),
    sa.PrimaryKeyConstraint("thread_id", "item_id", "action", "payload", name="chatkit_clicks_pk"),
    sa.ForeignKeyConstraint(
        ["thread_id", "item_id"],
        [sql.ITEMS.c.thread_id, sql.ITEMS.c.id],
        name="chatkit_clicks_item",
        ondelete="CASCADE",
    ),
)

_ACTION: sa.BindParameter[str] = sa.bindparam("of_action", type_=sa.Text)
_PAYLOAD: sa.BindParameter[str] = sa.bindparam("of_payload", type_=sa.Text)
_OF_ITEM = (sql.ITEMS.c.thread_id == sql.OWNED_THREAD, sql.ITEMS.c.id == sa.bindparam("item"))
_OF_BUTTON = (
    CLICKS.c.thread_id == sql.OWNED_THREAD,
    CLICKS.c.item_id == sa.bindparam("item"),
    CLICKS.c.action == _ACTION,
)
_HELD = (*_OF_BUTTON, CLICKS.c.payload == _PAYLOAD, CLICKS.c.holder == HOLDER)
_RENEW: sa.Update = sa.update(CLICKS).where(*_HELD).values(until=LEASE_END)
_END: sa.Delete = sa.delete(CLICKS).where(*_HELD)
_IS_USED_UP: sa.Select[Any] = sa.select(CLICKS.c.action).where(*_OF_BUTTON, CLICKS.c.holder.is_(None))


class SqlClicks(TurnStore, ABC):
    """The part of a SQL store that has to do with clicks."""

    _holder: str

    def __init__(self, database: Database, upserts: sql.Upserts) -> None:
        self._database, self._upserts = database, upserts
        ids = (sql.ITEMS.c.thread_id, sql.ITEMS.c.id, _ACTION)
        claimed = sa.select(*ids, _PAYLOAD, HOLDER, LEASE_END).where(*_OF_ITEM)
        claim = sql.insert_into(database.dialect, CLICKS).from_select(list(CLICKS.c.keys()), claimed)
        self._claim: Statement = claim.on_conflict_do_update(
            index_elements=list(CLICKS.primary_key),
            set_={"holder": claim.excluded.holder, "until": claim.excluded.until},
            where=CLICKS.c.until <= Now(),
        ).returning(CLICKS.c.action)
        used_up = sa.select(*ids, sa.literal(""), sa.null(), sa.null()).where(*_OF_ITEM)
        self._use_up: sa.Insert = (
            sql.insert_into(database.dialect, CLICKS)
            .from_select(list(CLICKS.c.keys()), used_up)
            .on_conflict_do_nothing()
        )

    async def claim_click(self, click: Click, lease_s: float) -> bool:
        values = {**_click_keys(click), "by_holder": self._holder, "lease_s": lease_s}

        def work(session: SqlSession) -> bool:
            if first(session, self._claim, values) is not None:
                return True
            if first(session, sql.FIND_ITEM, values) is None:
                raise item_missing(session, click.owner, click.thread_id, click.item_id)
            return False

        return await self._database.write(work)

    async def renew_click(self, click: Click, lease_s: float) -> bool:
        values = {**_click_keys(click), "by_holder": self._holder, "lease_s": lease_s}
        return await self._database.write(lambda session: session.run(_RENEW, values) > 0)

    async def end_click(self, click: Click, *, used_up: bool = False) -> None:
        values = {**_click_keys(click), "by_holder": self._holder}

        def work(session: SqlSession) -> None:
            session.run(_END, values)
            if used_up:
                session.run(self._use_up, values)

        await self._database.write(work)

    async def is_used_up(self, click: Click) -> bool:
        values = _click_keys(click)
        return await self._database.read(lambda session: first(session, _IS_USED_UP, values) is not None)


def _click_keys(click: Click) -> dict[str, str]:
    keys = thread_keys(click.owner, click.thread_id)
    return {
        **keys,
        "item": codec.clean(click.item_id),
        "of_action": codec.clean(click.action),
        "of_payload": click.payload,
    }
