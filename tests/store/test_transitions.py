"""The table of transitions against the SQL: each statement is run against each state a message can be in."""

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Row, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import TextClause

import dispatcher.store
from dispatcher.domain.messages.status import PLACE_TRANSITIONS, TRANSITIONS, Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.store.engine import open_engine
from dispatcher.store.tables import metadata
from tests.conftest import empty
from tests.store.statements import STATEMENTS, STATES, State, Statement, Stored, message, store

UNUSED = {
    (Status.PENDING, Status.NO_RECIPIENT): "the document has the code, nothing gives it yet",
    (Status.PENDING, Status.INTERNAL_ERROR): "the document has the code, nothing gives it yet",
}


@dataclass(frozen=True, slots=True)
class Change:
    old: State
    new: State

    @property
    def is_allowed(self) -> bool:
        return self.old.status is self.new.status or self.new.status in TRANSITIONS[self.old.status]

    @property
    def is_place_allowed(self) -> bool:
        old, new = self.old.place, self.new.place
        return old is new or (old is not None and new in PLACE_TRANSITIONS[old])


@dataclass(frozen=True, slots=True)
class Observed:
    changes: Mapping[str, frozenset[Change]]
    executed: frozenset[TextClause]


@pytest.fixture(scope="module")
def observed(servers: tuple[str, str]) -> Observed:
    """Run each statement against the same messages; return what it changes."""
    url, _ = servers
    empty(url)
    return asyncio.run(_observe_all(url, STATEMENTS))


async def _observe_all(url: str, statements: Mapping[str, Statement]) -> Observed:
    engine = open_engine(url, pool_size=1, name="test")
    try:
        async with engine.connect() as connection:
            with _executed(connection) as executed:
                stored = await store(connection)
                await _watch(connection)
                changes = {name: await _observe(connection, stored, run) for name, run in statements.items()}
            await connection.rollback()
    finally:
        await engine.dispose()
    return Observed(changes, frozenset(executed))


async def _observe(connection: AsyncConnection, stored: Stored, run: Statement) -> frozenset[Change]:
    """Run one statement and roll it back; return its changes."""
    async with connection.begin_nested() as savepoint:
        await run(connection, stored)
        rows = (await connection.execute(text("SELECT DISTINCT * FROM changes"))).all()
        await savepoint.rollback()
    return frozenset(
        Change(_state(row.old_status, row.old_place), _state(row.new_status, row.new_place)) for row in rows
    )


def _state(status: int, place: str | None) -> State:
    return State(Status(status), Place(place) if place else None)


@contextmanager
def _executed(connection: AsyncConnection) -> Iterator[set[TextClause]]:
    executed: set[TextClause] = set()

    def note(_: object, statement: Any, *__: object) -> None:
        executed.add(statement)

    event.listen(connection.sync_connection, "before_execute", note)
    yield executed
    event.remove(connection.sync_connection, "before_execute", note)


async def _watch(connection: AsyncConnection) -> None:
    """Record each change of a row, as a statement may change one message several times."""
    await connection.execute(
        text("CREATE TEMP TABLE changes (old_status int, old_place text, new_status int, new_place text)")
    )
    await connection.execute(
        text("""
        CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO changes VALUES (OLD.status, OLD.place, NEW.status, NEW.place);
            RETURN NULL;
        END $$
        """)
    )
    await connection.execute(
        text("CREATE TRIGGER watch AFTER UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION note_change()")
    )


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_changes_something(observed: Observed, name: str) -> None:
    assert observed.changes[name]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_makes_only_transitions_of_the_table(observed: Observed, name: str) -> None:
    assert not [change for change in observed.changes[name] if not change.is_allowed]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_moves_messages_only_between_places_of_the_table(observed: Observed, name: str) -> None:
    assert not [change for change in observed.changes[name] if not change.is_place_allowed]


def test_every_transition_of_the_table_is_made_or_has_a_reason(observed: Observed) -> None:
    changes = frozenset[Change]().union(*observed.changes.values())
    made = {(c.old.status, c.new.status) for c in changes if c.old.status is not c.new.status}
    assert made | UNUSED.keys() == {(old, new) for old, following in TRANSITIONS.items() for new in following}
    assert not made & UNUSED.keys()


def test_every_place_transition_of_the_table_is_made(observed: Observed) -> None:
    changes = frozenset[Change]().union(*observed.changes.values())
    made = {(c.old.place, c.new.place) for c in changes if c.old.place is not c.new.place}
    assert made == {(old, new) for old, following in PLACE_TRANSITIONS.items() for new in following}


@pytest.mark.parametrize(
    "name", ["cancel", "reschedule to later", "reschedule the end", "reschedule unlocked", "change the text"]
)
def test_an_edit_does_not_change_messages_with_a_worker_or_not_open(observed: Observed, name: str) -> None:
    edited = {change.old for change in observed.changes[name]}
    assert edited == {state for state in STATES if state.place not in {None, Place.WORKER}}


def test_every_statement_that_updates_messages_is_run_here(observed: Observed) -> None:
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(dispatcher.store.__path__, "dispatcher.store.")
    ]
    updating = {
        statement: f"{module.__name__}.{name}"
        for module in modules
        for name, statement in vars(module).items()
        if isinstance(statement, TextClause) and re.search(r"UPDATE messages\b", statement.text)
    }
    assert len(updating) > 15
    assert not [name for statement, name in updating.items() if statement not in observed.executed]


@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        ("status = 11, place = 'ready' WHERE status = 12", True),
        ("status = 13 WHERE status = 30", True),
        ("reason = 'x'", False),
    ],
)
def test_a_transition_that_the_table_does_not_allow_is_seen(
    database_url: str, change: str, is_seen: bool
) -> None:
    async def planted(connection: AsyncConnection, _: Stored) -> None:
        await connection.execute(text(f"UPDATE messages SET {change}"))

    seen = asyncio.run(_observe_all(database_url, {"planted": planted})).changes["planted"]
    assert seen
    assert any(not change.is_allowed for change in seen) is is_seen


def test_the_schema_allows_only_the_states_of_the_table(database_url: str) -> None:
    async def allowed() -> list[State]:
        engine = open_engine(database_url, pool_size=1, name="test")
        try:
            async with engine.connect() as c:
                [pattern, *_] = (await store(c)).rows
                return [state for state in EVERY if await _is_allowed(c, pattern, state)]
        finally:
            await engine.dispose()

    assert asyncio.run(allowed()) == sorted(STATES, key=EVERY.index)


EVERY = [State(status, place) for status in Status for place in (*Place, None)]


async def _is_allowed(connection: AsyncConnection, pattern: Row[Any], state: State) -> bool:
    values = message(state, Tier.BULK, 0) | {"account_id": pattern.account_id, "batch_id": pattern.batch_id}
    try:
        async with connection.begin_nested():
            await connection.execute(metadata.tables["messages"].insert(), values)
    except IntegrityError:
        return False
    return True
