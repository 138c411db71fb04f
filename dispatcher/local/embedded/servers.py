"""PostgreSQL and Valkey without the rest, for tests and scripts that need only those."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process


@contextmanager
def embedded_servers(data_dir: Path, *, durable: bool = True) -> Iterator[tuple[str, str]]:
    """Run both on this directory; yield their URLs in the form of DATABASE_URL and REDIS_URL."""
    with Supervisor(data_dir) as supervisor:
        postgres, valkey = (
            postgres_process(data_dir, durable=durable),
            valkey_process(data_dir, durable=durable),
        )
        supervisor.start(postgres, valkey)
        yield postgres.url, valkey.url
