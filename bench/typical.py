"""
The typical design, done well: one Celery task per message, in a prefork pool.

Connections are reused, each change of status is one statement and one commit
(many projects need three or four round trips), acknowledgement is late, a failed
call is retried, and there is no result backend. It has its own tables, and calls
the bench's provider.
"""

import argparse
import os
import sys
from functools import cache
from typing import Any

import httpx
import psycopg
from celery import Celery
from celery.signals import worker_process_shutdown

from bench.database import database_url, provider_url

_QUEUE = "typical"
_TABLES = """
DROP TABLE IF EXISTS typical_events, typical_messages;
CREATE TABLE typical_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    number text NOT NULL, text text NOT NULL,
    status smallint NOT NULL DEFAULT 10, attempt smallint NOT NULL DEFAULT 0,
    provider_ref text,
    created_at timestamptz NOT NULL DEFAULT now(), moved_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX ON typical_messages (status) WHERE status IN (10, 11);
CREATE TABLE typical_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id bigint NOT NULL REFERENCES typical_messages,
    at timestamptz NOT NULL DEFAULT now(), status smallint NOT NULL, attempt smallint NOT NULL
);
CREATE INDEX ON typical_events (message_id);
"""
_ROWS = """
INSERT INTO typical_messages (number, text)
SELECT '+2547' || lpad(n::text, 8, '0'), 'Hello' FROM generate_series(1, %s) AS n
"""
_CHANGE = """
WITH moved AS (UPDATE typical_messages SET {change}, moved_at = now() WHERE id = %(id)s AND {condition}
               RETURNING id, public_id, moved_at, status, attempt),
event AS (INSERT INTO typical_events (message_id, at, status, attempt)
          SELECT id, moved_at, status, attempt FROM moved)
SELECT public_id FROM moved
"""
_CLAIM = _CHANGE.format(change="status = 11, attempt = attempt + 1", condition="status IN (10, 11)")
_RECORD = _CHANGE.format(change="status = 12, provider_ref = %(ref)s", condition="status = 11")

app = Celery("typical", broker=os.environ.get("REDIS_URL", "redis://localhost:6379/0"), set_as_current=False)
app.conf.update(
    task_default_queue=_QUEUE, task_acks_late=True, task_reject_on_worker_lost=True, task_ignore_result=True,
    broker_connection_retry_on_startup=True, worker_send_task_events=False,
)  # fmt: skip


@cache
def database() -> psycopg.Connection[Any]:
    """Return this process's connection; each statement commits."""
    return psycopg.connect(database_url(), autocommit=True)


@cache
def provider() -> httpx.Client:
    """Return this process's client, which keeps one connection open."""
    return httpx.Client(base_url=provider_url(), timeout=10, trust_env=False)


def close_connections(**_: object) -> None:
    """Close the connections of this process."""
    for connection in (database, provider):
        if connection.cache_info().currsize:
            connection().close()
            connection.cache_clear()


worker_process_shutdown.connect(close_connections)


def send(message_id: int, number: str, text: str) -> None:
    """Send one message to the provider, unless it was already sent."""
    claimed = database().execute(_CLAIM, {"id": message_id}).fetchone()
    if claimed is None:
        return
    body = {"to": number, "text": text, "reference": str(claimed[0]), "segments": 1, "tier": "bulk"}
    response = provider().post("/submit", json=body).raise_for_status()
    database().execute(_RECORD, {"id": message_id, "ref": response.json()["ids"][0]})


task = app.task(
    send, name="typical.send", autoretry_for=(httpx.HTTPError,), retry_backoff=True, max_retries=5
)


def prepare(messages: int) -> None:
    """Recreate the tables with so many messages, and empty the queue."""
    with psycopg.connect(database_url(), autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute(_ROWS, (messages,))
        connection.execute("VACUUM ANALYZE typical_messages")
    with app.connection_for_write() as broker:
        broker.default_channel.queue_purge(_QUEUE)


def enqueue() -> None:
    """Enqueue a task for every waiting message."""
    with psycopg.connect(database_url()) as connection:
        for row in connection.execute("SELECT id, number, text FROM typical_messages WHERE status = 10"):
            task.apply_async(args=row)


def work(concurrency: int, *, prefetch: int) -> None:
    """Replace this process by the worker."""
    celery = [sys.executable, "-m", "celery", "-q", "-A", "bench.typical", "worker", "-P", "prefork"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"]
    size = ["-c", str(concurrency), "--prefetch-multiplier", str(prefetch)]
    os.execv(sys.executable, [*celery, *size, "-n", "typical@bench", *quiet])


def main() -> None:
    """Run a subcommand on the servers at DATABASE_URL, REDIS_URL and PROVIDER_URL."""
    parser = argparse.ArgumentParser(prog="python -m bench.typical", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare").add_argument("--messages", type=int, required=True)
    worker = commands.add_parser("worker")
    worker.add_argument("--concurrency", type=int, default=32)
    worker.add_argument("--prefetch", type=int, default=4, help="messages prefetched for each process")
    commands.add_parser("enqueue")
    options = parser.parse_args()
    match options.command:
        case "prepare":
            prepare(options.messages)
        case "enqueue":
            enqueue()
        case "worker":
            work(options.concurrency, prefetch=options.prefetch)


if __name__ == "__main__":
    main()
