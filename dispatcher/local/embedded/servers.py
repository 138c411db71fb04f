"""PostgreSQL and Valkey alone, for tests and scripts that need nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process


@contextmanager
def embedded_servers(data_dir: Path, *, durable: bool = True) -> Iterator[tuple[str, str]]:
    """Run both servers on this directory; yield their URLs as DATABASE_URL and REDIS_URL have them."""
    with Supervisor(data_dir) as supervisor:
        postgres, valkey = (
            postgres_process(data_dir, durable=durable),
            valkey_process(data_dir, durable=durable),
        )
        supervisor.start(postgres, valkey)
        yield postgres.url, valkey.url
