"""Migrations of databases that already have rows."""

import psycopg
from alembic import command
from alembic.config import Config

from dispatcher.store.migrate import upgrade
from tests.conftest import plain_url


def test_provider_references_survive_the_renaming_of_their_table_both_ways(
    empty_database: str, alembic_config: Config
) -> None:
    reference = ("sim", "r1", 7, 2, 1, 13)
    columns = "provider, ref, message_id, attempt, part, status"
    command.upgrade(alembic_config, "0010")
    with psycopg.connect(plain_url(empty_database), autocommit=True) as connection:
        before = _structure(connection, "submissions")
        connection.execute(
            f"INSERT INTO submissions ({columns}, at) VALUES (%s, %s, %s, %s, %s, %s, now())", reference
        )
        command.upgrade(alembic_config, "0011")
        assert connection.execute(f"SELECT {columns} FROM provider_references").fetchall() == [reference]
        renamed = {line.replace("submissions", "provider_references") for line in before}
        assert _structure(connection, "provider_references") == renamed
        command.downgrade(alembic_config, "0010")
        assert connection.execute(f"SELECT {columns} FROM submissions").fetchall() == [reference]
        assert _structure(connection, "submissions") == before


def test_a_worker_that_runs_while_the_database_is_upgraded_records_its_open_calls(
    empty_database: str, alembic_config: Config
) -> None:
    """It knows provider references by their old name, and writes them as it did."""
    command.upgrade(alembic_config, "0010")
    with psycopg.connect(plain_url(empty_database), autocommit=True) as connection:
        upgrade(empty_database)
        for _ in range(2):
            connection.execute(
                """
                INSERT INTO submissions (provider, ref, message_id, attempt, part, wake_at, at)
                VALUES ('sim', 'r1', 7, 1, 1, NULL, now()) ON CONFLICT DO NOTHING
                """
            )
        assert connection.execute("SELECT ref, message_id FROM provider_references").fetchall() == [("r1", 7)]


def test_a_message_that_waits_for_a_provider_still_does_after_the_upgrade(
    empty_database: str, alembic_config: Config
) -> None:
    command.upgrade(alembic_config, "0011")
    with psycopg.connect(plain_url(empty_database), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO accounts (name) VALUES ('shop');
            INSERT INTO batches (public_id, account_id, dialect, tier, not_before, not_after, created_at)
            VALUES (gen_random_uuid(), 1, 'x', 'bulk', now(), now() + '1 h', now());
            INSERT INTO messages (
                public_id, batch_id, account_id, tier, number, number_as_given, country, text, segments,
                not_before, not_after, status, place, wake_at, waits_for, created_at, moved_at
            )
            SELECT gen_random_uuid(), 1, 1, 'bulk', '+1', '+1', 'US', 'Hi', 1, now(), now() + '1 h', 11,
                   'held', now(), waits_for, now(), now()
            FROM (VALUES ('sim is paused, b is open'), (NULL)) AS v(waits_for)
            """
        )
        command.upgrade(alembic_config, "0014")
        waits = "SELECT wait_kind, waits_for, wait_since IS NOT NULL FROM messages ORDER BY id"
        assert connection.execute(waits).fetchall() == [
            ("provider", "sim paused\nb open", True),
            (None, None, False),
        ]
        command.downgrade(alembic_config, "0011")
        rows = connection.execute("SELECT waits_for FROM messages ORDER BY id").fetchall()
        assert rows == [("sim is paused, b is open",), (None,)]


def test_what_no_batch_has_used_of_its_reservation_is_given_back_by_a_downgrade(
    empty_database: str, alembic_config: Config
) -> None:
    command.upgrade(alembic_config, "0018")
    with psycopg.connect(plain_url(empty_database), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO accounts (name, balance) VALUES ('shop', 90);
            INSERT INTO batches (public_id, account_id, dialect, tier, not_before, not_after, created_at)
            SELECT gen_random_uuid(), 1, 'x', 'bulk', now(), now() + '1 h', now();
            INSERT INTO reservations (batch_id, account_id, amount, messages, transaction_id)
            VALUES (1, 1, 3, 0, '1'), (2, 1, 4, 0, '1'), (3, 1, 6, 0, '1')
            """
        )
        command.downgrade(alembic_config, "0017")
        assert connection.execute("SELECT balance FROM accounts").fetchall() == [(100,)]


def test_a_webhook_that_was_registered_before_is_on(empty_database: str, alembic_config: Config) -> None:
    command.upgrade(alembic_config, "0018")
    with psycopg.connect(plain_url(empty_database), autocommit=True) as connection:
        connection.execute("INSERT INTO accounts (name) VALUES ('shop')")
        webhook = """
            INSERT INTO webhooks (account_id, dialect, id, url, event, statuses)
            VALUES (1, 'x', %s, 'u', 'e', '{}')
        """
        connection.execute(webhook, ("a",))
        command.upgrade(alembic_config, "0019")
        connection.execute(webhook, ("b",))  # as a process of the last version does
        found = connection.execute("SELECT id, failing_since, disabled_at, disabled_reason FROM webhooks")
        assert found.fetchall() == [("a", None, None, None), ("b", None, None, None)]
        connection.execute("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'gone'")
        command.downgrade(alembic_config, "0018")
        assert connection.execute("SELECT id FROM webhooks").fetchall() == [("a",), ("b",)]


def _structure(connection: "psycopg.Connection[tuple[str]]", table: str) -> set[str]:
    """Return the names and definitions of a table's indexes and constraints."""
    rows = connection.execute(
        """
        SELECT indexdef FROM pg_indexes WHERE tablename = %(table)s
        UNION ALL
        SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = CAST(%(table)s AS regclass) AND contype <> 'n'
        """,
        {"table": table},
    )
    return {row[0] for row in rows}
