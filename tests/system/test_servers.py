"""Real processes behind PgBouncer and Redis Sentinel: messages flow, also after the death of the master."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url

from dispatcher.cli.commands.doctor import checks
from dispatcher.local.embedded.ports import LOOPBACK, free_port
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.producer import Dispatcher
from dispatcher.sandbox.provider_options import http_options
from dispatcher.service.health.finding import Level
from dispatcher.settings import load_settings
from tests.conftest import plain_url
from tests.pgbouncer import pgbouncer
from tests.sentinels import running_sentinels
from tests.system.stack import beat_process, sandbox_process, until, worker_process
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_STARTED, _HEALED = 60.0, 15.0


@contextmanager
def _processes(folder: Path, environment: dict[str, str], sandbox: httpx.Client) -> Iterator[None]:
    with Supervisor(folder) as supervisor:
        supervisor.start(sandbox_process("sandbox", sandbox))
        workers = [worker_process(name, 16, environment) for name in ("critical", "clock")]
        supervisor.start(*workers, beat_process(0, folder, environment))
        yield


def test_messages_flow_behind_poolers_and_sentinels_and_after_a_fail_over(
    world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing() -> None:
        pass

    world.run(nothing)  # makes the account
    with (
        pgbouncer(database_url, mode="transaction", size=4) as pooled,
        running_sentinels(tmp_path) as sentinels,
        httpx.Client(base_url=f"http://{LOOPBACK}:{free_port()}", timeout=10) as sandbox,
    ):
        made = make_url(pooled)
        servers = f"{LOOPBACK}:{free_port()},{LOOPBACK}:{made.port}"  # the first is dead
        options = http_options(str(sandbox.base_url), receipt_secret="a secret for tests")
        listed = f"postgresql://{made.username}@{servers}/{made.database}"
        environment = {
            "DATABASE_URL": f"{listed}?target_session_attrs=read-write",
            "REDIS_URL": sentinels.url,
            "DISPATCHER_PROVIDERS": json.dumps(
                [{"name": "sandbox", "plugin": "http", "options": options, "takes": "both"}]
            ),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with _processes(tmp_path, environment, sandbox), Dispatcher.from_env(account="shop") as producer:
            first = producer.send("+254712345678", "Hello", tier="critical")
            until(
                lambda: _status(database_url, first.messages[0].id) >= 12,
                seconds=_STARTED,
                what="the first is sent",
            )
            sentinels.kill_master()
            began = time.monotonic()
            second = producer.send("+254712345679", "Hello again", tier="critical")
            until(
                lambda: _status(database_url, second.messages[0].id) >= 12,
                seconds=_HEALED,
                what="the second is sent",
            )
            print(f"sent {time.monotonic() - began:.1f} s after the master was killed")
            settings = load_settings()
            found = [*checks.postgres(settings), *checks.redis_server(settings)]
            assert not [finding for finding in found if finding.level is Level.FAIL]


def _status(url: str, message_id: int) -> int:
    with psycopg.connect(plain_url(url)) as connection:
        query = "SELECT status FROM messages WHERE id = %s"
        [status] = connection.execute(query, [message_id]).fetchone() or [0]
    return int(status)
