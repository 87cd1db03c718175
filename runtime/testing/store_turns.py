"""The conformance tests for the leases of turns; a store that only one process uses has none, and skips them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from chatkit.types import ThreadMetadata

from runtime.resources.token_usage import TokenUsage
from runtime.stores.ids import new_id
from runtime.stores.store import ThreadStore
from runtime.stores.turns import (
    Click,
    EventChunk,
    LastEvents,
    Signals,
    TurnConflict,
    TurnLease,
    TurnLost,
    TurnStatus,
    TurnStore,
)
from runtime.testing.store_samples import (
    all_ids,
    assert_not_found,
    new_mark,
    new_message,
    new_metadata,
    new_thread,
    now,
)

LONG_S = 600.0
ENDED_S = -1.0
"""The duration of a lease that has run out when it is taken."""


async def _begin(
    store: TurnStore, owner: str, thread: ThreadMetadata, after: int, lease_s: float = LONG_S
) -> TurnLease:
    return await store.begin_turn(owner, thread.id, [new_message(thread.id, "hi")], after=after, lease_s=lease_s)


@pytest.mark.asyncio
class TurnPromises:
    """Tests for the leases and the events of turns; `TurnStoreSuite` has the fixtures."""

    @pytest.fixture
    def turns(self, store: ThreadStore) -> TurnStore:
        """Return the store under test, which has leases."""
        assert isinstance(store, TurnStore)
        return store

    async def test_a_thread_that_is_created_by_a_turn_is_held_by_it(self, turns: TurnStore, owner: str) -> None:
        """The thread, its items, its generation and the lease are there after one call."""
        thread, mark = new_metadata(), new_mark(1)
        message = new_message(thread.id, "hi")
        lease = await turns.create_thread_in_turn(owner, thread, [message], generation=mark, lease_s=LONG_S)
        with pytest.raises(TurnConflict):
            await _begin(turns, owner, thread, after=lease.number)
        assert await all_ids(turns, owner, thread.id) == [message.id]
        assert await turns.load_generation(owner, thread.id) == mark

    async def test_a_turn_begins_where_the_last_one_has_ended(self, turns: TurnStore, owner: str) -> None:
        """Each turn has a higher number than the one before."""
        thread = await new_thread(turns, owner)
        first = await _begin(turns, owner, thread, after=0)
        await turns.end_turn(first)
        loaded, status = await turns.load_turn(owner, thread.id)
        assert (loaded, status) == (thread, TurnStatus(first.number, "ended"))
        second = await _begin(turns, owner, thread, after=first.number)
        assert second.number > first.number
        assert len(await all_ids(turns, owner, thread.id)) == 2

    async def test_only_one_of_many_turns_begins(self, turns: TurnStore, owner: str) -> None:
        """Those that read the same status and are too late write nothing."""
        thread = await new_thread(turns, owner)
        begun = await asyncio.gather(*(_begin(turns, owner, thread, 0) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(result, TurnLease) for result in begun) == 1
        assert sum(isinstance(result, TurnConflict) for result in begun) == 4
        assert len(await all_ids(turns, owner, thread.id)) == 1

    async def test_a_turn_that_knows_an_old_status_does_not_begin(self, turns: TurnStore, owner: str) -> None:
        """Also if no turn runs any more: what the other turn wrote has not been read."""
        thread = await new_thread(turns, owner)
        await turns.end_turn(await _begin(turns, owner, thread, after=0))
        with pytest.raises(TurnConflict):
            await _begin(turns, owner, thread, after=0)

    async def test_a_lease_that_has_run_out_can_be_taken_once_the_turn_is_closed(
        self, turns: TurnStore, owner: str
    ) -> None:
        """Closing writes what ends the turn, and its own writes are refused from then on."""
        thread = await new_thread(turns, owner)
        dead = await _begin(turns, owner, thread, after=0, lease_s=ENDED_S)
        assert (await turns.load_turn(owner, thread.id))[1].state == "expired"
        end = new_message(thread.id, "interrupted")
        await turns.close_turn(owner, thread.id, dead.number, [end])
        with pytest.raises(TurnConflict):
            await turns.close_turn(owner, thread.id, dead.number, [new_message(thread.id, "twice")])
        with pytest.raises(TurnLost):
            await turns.write_in_turn(dead, [new_message(thread.id, "late")])
        with pytest.raises(TurnLost):
            await turns.update_thread_in_turn(dead, title="Late")
        with pytest.raises(TurnLost):
            await turns.write_in_turn(dead, (), changes={"title": "Late"})
        await turns.end_turn(dead)
        status = (await turns.load_turn(owner, thread.id))[1]
        assert status.state == "ended"
        assert (await all_ids(turns, owner, thread.id))[1:] == [end.id]
        assert (await turns.load_thread(owner, thread.id)).title is None
        assert (await _begin(turns, owner, thread, after=status.number)).number > dead.number

    async def test_a_turn_that_runs_writes(self, turns: TurnStore, owner: str) -> None:
        """Writes of the turn are those of the store."""
        thread = await new_thread(turns, owner)
        lease = await _begin(turns, owner, thread, after=0)
        old, item = await all_ids(turns, owner, thread.id), new_message(thread.id, "two")
        mark = new_mark(2)
        assert await turns.write_in_turn(lease, [item], delete=old, generation=mark) == Signals.NONE
        assert await all_ids(turns, owner, thread.id) == [item.id]
        assert await turns.load_generation(owner, thread.id) == mark
        changed = await turns.update_thread_in_turn(lease, title="New", metadata={"n": 1})
        assert (changed.title, changed.metadata) == ("New", {"n": 1})
        assert await turns.load_thread(owner, thread.id) == changed
        assert await turns.write_in_turn(lease, [], changes={"metadata": {"n": 2}}) == Signals.NONE
        after = await turns.load_thread(owner, thread.id)
        assert (after.title, after.metadata) == ("New", {"n": 2})

    async def test_leases_are_renewed_together_and_lost_ones_are_missing(self, turns: TurnStore, owner: str) -> None:
        """A lease that has run out lives on if nobody has taken it."""
        threads = [await new_thread(turns, owner) for _ in range(3)]
        lost, late, held = [await _begin(turns, owner, thread, 0, lease_s=ENDED_S) for thread in threads]
        await turns.close_turn(owner, lost.thread_id, lost.number, ())
        assert await turns.renew_turns([lost, late, held], LONG_S) == {late: Signals.NONE, held: Signals.NONE}
        assert await turns.write_in_turn(late, ()) == Signals.NONE

    async def test_a_turn_hears_signals(self, turns: TurnStore, owner: str) -> None:
        """They add up, reach the turn with its next write and renewal, and end with it."""
        thread = await new_thread(turns, owner)
        assert await turns.signal_turn(owner, thread.id, Signals.STOP) is None
        lease = await _begin(turns, owner, thread, after=0)
        assert await turns.signal_turn(new_id("user"), thread.id, Signals.STOP) is None
        assert await turns.signal_turn(owner, thread.id, Signals.WATCHED) == lease.number
        assert await turns.write_in_turn(lease, ()) == Signals.WATCHED
        await turns.signal_turn(owner, thread.id, Signals.STOP)
        assert await turns.renew_turns([lease], LONG_S) == {lease: Signals.WATCHED | Signals.STOP}
        await turns.end_turn(lease)
        assert await turns.write_in_turn(await _begin(turns, owner, thread, after=lease.number), ()) == Signals.NONE

    async def test_who_watches_a_turn_need_not_wait_for_long(self, turns: TurnStore, owner: str) -> None:
        """The wait ends with the turn, or is over after the given time."""
        thread = await new_thread(turns, owner)
        lease = await _begin(turns, owner, thread, after=0)
        async with turns.watch_turn(thread.id) as wait:
            await turns.signal_turn(owner, thread.id, Signals.WATCHED)
            await turns.end_turn(lease)
            await wait(0.01)

    async def test_the_end_of_a_turn_stores_its_usage(self, turns: TurnStore, owner: str) -> None:
        """Usage and the end are one transaction."""
        thread, day = await new_thread(turns, owner), now().date()
        lease = await _begin(turns, owner, thread, after=0)
        await turns.end_turn(lease, usage=(day, {"m": TokenUsage(requests=1, input_tokens=2)}))
        assert (await turns.sum_usage(owner, thread_id=thread.id)).input_tokens == 2

    async def test_the_events_of_a_turn_are_read_from_any_place(self, turns: TurnStore, owner: str) -> None:
        """Chunks come in order; those of another owner, another turn or a deleted thread are not there."""
        thread = await new_thread(turns, owner)
        lease = await _begin(turns, owner, thread, after=0)
        chunks = [EventChunk(1, "[1,2]"), EventChunk(3, "[3]"), EventChunk(4, "[4]")]
        await turns.write_in_turn(lease, (), events=chunks[0])
        for chunk in chunks[1:]:
            assert await turns.write_events({lease: chunk}) == {lease: Signals.NONE}
        load = turns.load_events
        assert await load(owner, thread.id, lease.number) == chunks
        assert await load(owner, thread.id, lease.number, after=3) == chunks[2:]
        assert await load(new_id("user"), thread.id, lease.number) == []
        assert await load(owner, thread.id, lease.number + 1) == []
        await turns.delete_thread(owner, thread.id)
        assert await load(owner, thread.id, lease.number) == []

    async def test_events_are_kept_after_the_turn_for_as_long_as_it_says(self, turns: TurnStore, owner: str) -> None:
        """Those of turns that run are never forgotten."""
        left: list[int] = []
        last = EventChunk(2, "[]")
        ends = (None, LastEvents(None, LONG_S, True), LastEvents(last, LONG_S, True), LastEvents(last, ENDED_S, True))
        for events in ends:
            thread = await new_thread(turns, owner)
            lease = await _begin(turns, owner, thread, after=0)
            await turns.write_in_turn(lease, (), events=EventChunk(1, "[]"))
            if events is not None:
                assert await turns.end_turn(lease, events=events)
            await turns.forget_events()
            left.append(len(await turns.load_events(owner, thread.id, lease.number)))
        assert left == [1, 1, 2, 0]

    async def test_events_that_nobody_reads_end_with_their_turn(self, turns: TurnStore, owner: str) -> None:
        """They are kept where another process watches the turn."""
        left: list[int] = []
        for watched in (False, True):
            thread = await new_thread(turns, owner)
            lease = await _begin(turns, owner, thread, after=0)
            await turns.write_events({lease: EventChunk(1, "[]")})
            if watched:
                await turns.signal_turn(owner, thread.id, Signals.WATCHED)
            kept = await turns.end_turn(lease, events=LastEvents(EventChunk(2, "[]"), LONG_S, resumes=False))
            assert kept is watched
            left.append(len(await turns.load_events(owner, thread.id, lease.number)))
        assert left == [0, 2]

    async def test_events_of_several_turns_are_written_at_once(self, turns: TurnStore, owner: str) -> None:
        """A turn that has lost its lease writes nothing, nor does one whose thread is deleted; the others do."""
        threads = [await new_thread(turns, owner) for _ in range(4)]
        leases = [await _begin(turns, owner, thread, after=0) for thread in threads]
        await turns.signal_turn(owner, threads[1].id, Signals.STOP)
        await turns.end_turn(leases[2])
        await _begin(turns, owner, threads[2], after=leases[2].number)
        await turns.delete_thread(owner, threads[3].id)
        heard = await turns.write_events({lease: EventChunk(1, "[]") for lease in leases})
        assert heard == {leases[0]: Signals.NONE, leases[1]: Signals.STOP}
        left = [await turns.load_events(owner, lease.thread_id, lease.number) for lease in leases]
        assert [bool(events) for events in left] == [True, True, False, False]

    async def test_turns_of_what_is_unknown_are_not_found(self, turns: TurnStore, owner: str) -> None:
        """A thread of another owner can be neither read nor held."""
        thread, thief = await new_thread(turns, owner), new_id("user")
        await assert_not_found(
            turns.load_turn(owner, new_id("thread")),
            turns.load_turn(thief, thread.id),
            _begin(turns, thief, thread, after=0),
            turns.close_turn(thief, thread.id, 0, ()),
            turns.write_in_turn(TurnLease(thief, thread.id, 0), ()),
            turns.update_thread_in_turn(TurnLease(thief, thread.id, 0), title="x"),
            turns.create_thread_in_turn(thief, thread, (), generation=None, lease_s=LONG_S),
        )
        assert (await turns.load_turn(owner, thread.id))[1] == TurnStatus(0)

    async def test_a_click_is_claimed_once_until_it_ends(self, turns: TurnStore, owner: str) -> None:
        """The same click: the same payload for the same action of the same item."""
        thread = await new_thread(turns, owner)
        message = new_message(thread.id, "hi")
        await turns.write_items(owner, thread.id, [message])
        click = Click(owner, thread.id, message.id, "pay", "01")
        claims = await asyncio.gather(*(turns.claim_click(click, LONG_S) for _ in range(5)))
        assert sorted(claims) == [False] * 4 + [True]
        for other in (replace(click, action="poke"), replace(click, payload="02")):
            assert await turns.claim_click(other, LONG_S)
        assert await turns.renew_click(click, LONG_S)
        await turns.end_click(click)
        assert not await turns.renew_click(click, LONG_S)
        assert await turns.claim_click(click, LONG_S)
        assert not await turns.is_used_up(click)

    async def test_a_claim_that_has_run_out_can_be_taken(self, turns: TurnStore, owner: str) -> None:
        """It lives on if it is renewed before anybody takes it."""
        thread = await new_thread(turns, owner)
        message = new_message(thread.id, "hi")
        await turns.write_items(owner, thread.id, [message])
        click = Click(owner, thread.id, message.id, "pay", "01")
        assert await turns.claim_click(click, ENDED_S)
        assert await turns.claim_click(click, ENDED_S)
        assert await turns.renew_click(click, LONG_S)
        assert not await turns.claim_click(click, LONG_S)

    async def test_a_button_that_is_used_up_is_so_with_every_payload(self, turns: TurnStore, owner: str) -> None:
        """It is forgotten with its item, and known to its owner alone."""
        thread = await new_thread(turns, owner)
        message = new_message(thread.id, "hi")
        await turns.write_items(owner, thread.id, [message])
        click = Click(owner, thread.id, message.id, "pay", "01")
        for _ in range(2):
            assert await turns.claim_click(click, LONG_S)
            await turns.end_click(click, used_up=True)
            assert await turns.is_used_up(replace(click, payload="02"))
        assert not await turns.is_used_up(replace(click, action="poke"))
        assert not await turns.is_used_up(replace(click, owner=f"{owner} 2"))
        await turns.write_items(owner, thread.id, [message], delete=[message.id])
        assert not await turns.is_used_up(click)

    async def test_a_click_in_what_is_not_there_is_not_found(self, turns: TurnStore, owner: str) -> None:
        """A thread of another owner is not there, either."""
        thread = await new_thread(turns, owner)
        message = new_message(thread.id, "hi")
        await turns.write_items(owner, thread.id, [message])
        click = Click(owner, thread.id, message.id, "pay", "01")
        for missing in (replace(click, item_id="msg_none"), replace(click, owner=f"{owner} 2")):
            await assert_not_found(turns.claim_click(missing, LONG_S))
            await turns.end_click(missing, used_up=True)
            assert not await turns.is_used_up(missing)
