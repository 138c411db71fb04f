"""A whole dispatcher in separate processes, which a test may kill one by one."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
from sqlalchemy.engine import make_url

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.messages.submission import Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.ports import free_port
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process
from dispatcher.sandbox.provider_options import http_options, smpp_options
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.context import Context
from dispatcher.service.submissions.submit import submit
from dispatcher.settings import Settings
from dispatcher.store.migrate import upgrade

T = TypeVar("T")

_SECRET = "a secret for tests"
WORKERS = {"critical": 64, "standard": 16, "bulk": 16, "clock": 4, "system": 4}


class Stack:
    """A stack whose processes are postgres, valkey, sandbox, api, the five workers and beat."""

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        tps: float,
        settings: dict[str, str],
        sandboxes: int = 1,
        smpp: Mapping[str, object] | None = None,
    ) -> None:
        self.supervisor = supervisor
        self.dir = supervisor.data_dir
        self._tps = tps
        self._settings = settings
        self.sandboxes = [
            httpx.Client(
                base_url=f"http://127.0.0.1:{free_port()}",
                headers={"Authorization": f"Bearer {_SECRET}"},
                timeout=10,
            )
            for _ in range(sandboxes)
        ]
        self.sandbox = self.sandboxes[0]
        self._smpp, self._smpp_port = smpp, free_port() if smpp is not None else 0
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{free_port()}", timeout=30)
        self.database_url = self.redis_url = ""
        self.environment: dict[str, str] = {}
        self.token, self.sender_id = "", 0

    def start(self, *, beats: int = 1) -> None:
        """Start everything in order."""
        postgres, valkey = postgres_process(self.dir), valkey_process(self.dir)
        self.supervisor.start(postgres, valkey)
        self.database_url, self.redis_url = postgres.url, valkey.url
        upgrade(postgres.url)
        self.environment = environment = self._environment(postgres.url, valkey.url)
        sandboxes = (
            sandbox_process(name, client, smpp_port=self._smpp_port, settings=self._smpp)
            for name, client in self._named()
        )
        self.supervisor.start(*sandboxes, self._api(environment))
        self.supervisor.start(*(worker_process(name, count, environment) for name, count in WORKERS.items()))
        self.supervisor.start(*(beat_process(n, self.dir, environment) for n in range(beats)))
        self.token, self.sender_id = asyncio.run(_first_account(postgres.url, valkey.url))
        until(lambda: self._status() == "ready", seconds=90, what="all lanes consume")

    def post(self, numbers: Sequence[str], *, due: str = "2020-01-01 00:00:00") -> list[int]:
        """Send through the API until it answers 200, as a careful client does; return the message ids."""
        body = {
            "message_text": "Hello",
            "delivery_date": due,
            "sender_id": self.sender_id,
            "phone_numbers": list(numbers),
        }
        for _ in range(100):
            try:
                response = self.api.post(
                    "/api/v1/sms", json=body, headers={"Authorization": f"bearer {self.token}"}
                )
            except httpx.HTTPError:
                time.sleep(0.2)
                continue
            if response.status_code == httpx.codes.OK:
                return [i for ids in response.json()["sms_ids"].values() for i in ids]
            assert response.status_code == httpx.codes.SERVICE_UNAVAILABLE, response.text
            time.sleep(0.2)
        raise AssertionError("the API did not recover")

    def kill(self, name: str) -> None:
        """Kill a process with -9, and wait until the supervisor has restarted it."""
        old = self.supervisor.pid(name)
        self.supervisor.kill(name, signal.SIGKILL)
        until(lambda: self.supervisor.pid(name) not in {None, old}, seconds=30, what=f"{name} is back")

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        """Return the rows of a query, once the database answers."""
        url = make_url(self.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        until(lambda: _connects(url), seconds=30, what="Postgres answers")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def stats(self) -> dict[str, Any]:
        """Return the counts of the sandbox."""
        return dict(self.sandbox.get("/stats").json())

    def submit(
        self,
        numbers: Sequence[str],
        *,
        tier: Tier,
        after: timedelta | None = None,
        until: timedelta | None = None,
        text: str = "Hello",
    ) -> list[int]:
        """Submit as the Python producer does, with a tier and a window; return the message ids."""

        async def work(ctx: Context, account: Account) -> list[int]:
            now = ctx.now()
            submission = Submission(
                recipients=numbers,
                text=text,
                numbers=NumberPolicy(),
                tier=tier,
                not_before=None if after is None else now + after,
                not_after=None if until is None else now + until,
            )
            accepted = await submit(ctx, Caller(account, "test"), submission)
            return [m.id for m in accepted.messages]

        return self.call(work)

    def call(self, work: Callable[[Context, Account], Awaitable[T]]) -> T:
        """Return the result of `work` with the service and the account, as the Python producer calls it."""

        async def main() -> T:
            settings = Settings(
                database_url=self.database_url, redis_url=self.redis_url, providers=self._providers()
            )
            async with open_context(settings, name="test") as ctx:
                return await work(ctx, await accounts.find(ctx, "demo"))

        return asyncio.run(main())

    def submits(self) -> dict[str, list[float]]:
        """Return when each message arrived at the sandbox, by our reference."""
        return {row["reference"]: row["received_at"] for row in self.seen()}

    def seen(self, sandbox: int = 0) -> list[dict[str, Any]]:
        """Return all messages of a sandbox, as its API has them."""
        page: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []
        while not seen or page:
            query = {"offset": len(seen), "limit": 5000}
            page = self.sandboxes[sandbox].get("/messages", params=query).json()
            seen += page
        return seen

    def close(self) -> None:
        """Close the clients."""
        for sandbox in self.sandboxes:
            sandbox.close()
        self.api.close()

    def _status(self) -> str:
        return str(self.api.get("/readyz").json()["status"])

    def _named(self) -> Iterator[tuple[str, httpx.Client]]:
        for number, client in enumerate(self.sandboxes):
            yield f"sandbox-{number}" if number else "sandbox", client

    def _providers(self) -> list[dict[str, Any]]:
        if self._smpp is not None:
            options = smpp_options("127.0.0.1", self._smpp_port)
            return [
                {"name": "sandbox", "plugin": "smpp", "options": options, "tps": self._tps, "takes": "both"}
            ]
        found = []
        for name, client in self._named():
            receipt_url = str(self.api.base_url.join(f"/receipts/{name}"))
            options = http_options(str(client.base_url), receipt_url=receipt_url, receipt_secret=_SECRET)
            found.append(
                {"name": name, "plugin": "http", "options": options, "tps": self._tps, "takes": "both"}
            )
        return found

    def _environment(self, database_url: str, redis_url: str) -> dict[str, str]:
        return {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "DISPATCHER_PROVIDERS": json.dumps(self._providers()),
            "DISPATCHER_SIMULATED_NUMBERS": "true",
            **self._settings,
        }

    def _api(self, environment: dict[str, str]) -> ManagedProcess:
        code = (
            "from dispatcher.api.serve import run; from dispatcher.settings import load_settings;"
            f"run('127.0.0.1', {self.api.base_url.port}, load_settings())"
        )
        return ManagedProcess(
            name="api",
            argv=[sys.executable, "-c", code],
            env=environment,
            ready=lambda: _answers(self.api, "/readyz"),
        )


async def _first_account(database_url: str, redis_url: str) -> tuple[str, int]:
    settings = Settings(database_url=database_url, redis_url=redis_url)
    async with open_context(settings, name="test") as ctx:
        account = await accounts.create(ctx, "demo", credits=1_000_000, country="KE")
        sender_id = await accounts.add_sender(ctx, account, "DEMO")
        key = await credentials.create(ctx, account, CredentialKind.BEARER, dialect="scheduler")
        return key.secret, sender_id


@contextmanager
def running_stack(
    directory: Path,
    *,
    tps: float = 1000,
    settings: dict[str, str] | None = None,
    beats: int = 1,
    sandboxes: int = 1,
    smpp: Mapping[str, object] | None = None,
) -> Iterator[Stack]:
    """Run a stack on this directory; with `smpp`, settings of the sandbox, it sends over SMPP."""
    with Supervisor(directory) as supervisor:
        stack = Stack(supervisor, tps=tps, settings=settings or {}, sandboxes=sandboxes, smpp=smpp)
        try:
            stack.start(beats=beats)
            yield stack
        finally:
            stack.close()


def until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until a condition holds, checking ten times per second."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not after {seconds} s: {what}")
        time.sleep(0.1)


def sandbox_process(
    name: str, client: httpx.Client, *, smpp_port: int = 0, settings: Mapping[str, object] | None = None
) -> ManagedProcess:
    changed = {
        "receipt_secret": _SECRET,
        "control_token": _SECRET,
        "post_to": ["127.0.0.1"],
        "latency_ms": 50,
        **(settings or {}),
    }
    return ManagedProcess(
        name=name,
        argv=[
            sys.executable, "-m", "dispatcher.sandbox", "--port", str(client.base_url.port),
            "--settings", json.dumps(changed), *(["--smpp-port", str(smpp_port)] if smpp_port else []),
        ],
        ready=lambda: _answers(client, "/healthz"),
    )  # fmt: skip


def worker_process(name: str, concurrency: int, environment: dict[str, str]) -> ManagedProcess:
    argv: Sequence[str] = [
        sys.executable, "-m", "workers", "worker",
        "-Q", name, "-P", "threads", "-c", str(concurrency), "-n", f"{name}@test",
        "--without-gossip", "--without-mingle", "-l", "warning",
    ]  # fmt: skip
    return ManagedProcess(
        name=name,
        argv=argv,
        env=environment,
        nice=10 if name == Tier.BULK else 0,
        stop_timeout=timedelta(seconds=40),
        together=True,
    )


def beat_process(number: int, directory: Path, environment: dict[str, str]) -> ManagedProcess:
    schedule = str(directory / f"schedule-{number}")
    argv = [sys.executable, "-m", "workers", "beat", "-s", schedule, "--pidfile="]
    return ManagedProcess(
        name=f"beat-{number}" if number else "beat", argv=argv, env=environment, together=True
    )


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).is_success
    except httpx.HTTPError:
        return False
