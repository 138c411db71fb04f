"""The stack under test: that of `dispatcher up`, with proxies before its servers and three providers."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from dispatcher.bootstrap import migrate, open_context
from dispatcher.local import first_run, process_commands
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.ports import LOOPBACK, free_port
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process
from dispatcher.sandbox.provider_options import http_options, smpp_options
from dispatcher.settings import Settings
from faults.catalogue import clock_skew
from faults.catalogue.proxy import FaultProxy, fault_proxy
from tests.silent_proxy import Connect

PROVIDERS = ("first", "second", "smpp")
_LISTENERS = (*PROVIDERS, "api", "postgres", "valkey", "first-proxy", "smpp-proxy", "smpp-listener")
_NICE = {"system": 5, "bulk": 10}
_START = timedelta(minutes=3)
_SETTINGS = {
    "DISPATCHER_SIMULATED_NUMBERS": "true",
    "DISPATCHER_CALLBACK_PRIVATE": "true",
    "DISPATCHER_LEASE": "10",
    "DISPATCHER_BACKOFF_BASE": "0.5",
    "DISPATCHER_BACKOFF_CAP": "2",
    "DISPATCHER_LOG_LEVEL": "info",
}


@dataclass(frozen=True, slots=True)
class Rig:
    """A running stack: its processes, the proxies before its servers, and the clients of its sandboxes."""

    supervisor: Supervisor
    directory: Path
    postgres_url: str  # straight to the server
    redis_url: str
    api_url: str
    credentials: Mapping[str, Any]
    proxies: Mapping[str, FaultProxy]  # postgres, valkey, first, smpp
    sandboxes: Mapping[str, httpx.AsyncClient]
    skewed: ManagedProcess | None


@asynccontextmanager
async def running_rig(directory: Path) -> AsyncIterator[Rig]:
    """Run a stack on this directory during the block."""
    async with AsyncExitStack() as stack:
        supervisor = Supervisor(directory)
        await asyncio.to_thread(supervisor.open)
        stack.push_async_callback(asyncio.to_thread, supervisor.stop)
        postgres, valkey = postgres_process(directory), valkey_process(directory)
        await asyncio.to_thread(supervisor.start, postgres, valkey)
        ports = {name: free_port() for name in _LISTENERS}
        proxies = {
            name: await stack.enter_async_context(fault_proxy(connect, port))
            for name, connect, port in _proxied(ports, postgres.url, valkey.url)
        }
        secret = secrets.token_urlsafe(24)
        environment = _environment(ports, valkey.url, secret=secret)
        api_url = f"http://{LOOPBACK}:{ports['api']}"
        credentials = await _first_run(environment, directory, api_url)
        await asyncio.to_thread(supervisor.start, *_processes(directory, ports, environment, secret))
        yield Rig(
            supervisor=supervisor,
            directory=directory,
            postgres_url=postgres.url,
            redis_url=valkey.url,
            api_url=api_url,
            credentials=credentials,
            proxies=proxies,
            sandboxes={
                name: await stack.enter_async_context(_client(f"http://{LOOPBACK}:{ports[name]}", secret))
                for name in PROVIDERS
            },
            skewed=_skewed(environment),
        )


async def wait_until_ready(rig: Rig) -> None:
    """Wait until the API says that everything is consumed. Raises TimeoutError."""
    async with httpx.AsyncClient(base_url=rig.api_url, trust_env=False, timeout=5) as client:
        async with asyncio.timeout(_START.total_seconds()):
            while True:
                try:
                    if (await client.get("/readyz")).json().get("status") == "ready":
                        return
                except (httpx.HTTPError, ValueError):
                    pass
                await asyncio.sleep(0.2)


def _proxied(
    ports: Mapping[str, int], postgres_url: str, valkey_url: str
) -> Sequence[tuple[str, Connect, int]]:
    """Return the name, the server and the port of each proxy."""
    return [
        ("postgres", _postgres_connect(postgres_url), ports["postgres"]),
        ("valkey", _tcp(urlsplit(valkey_url).port or 0), ports["valkey"]),
        ("first", _tcp(ports["first"]), ports["first-proxy"]),
        ("smpp", _tcp(ports["smpp-listener"]), ports["smpp-proxy"]),
    ]


def _client(url: str, token: str) -> httpx.AsyncClient:
    """Return a client that controls the sandbox with this URL."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False)


def _tcp(port: int) -> Connect:
    return partial(asyncio.open_connection, LOOPBACK, port)


def _postgres_connect(url: str) -> Connect:
    query = parse_qs(urlsplit(url).query)
    path = Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"
    return partial(asyncio.open_unix_connection, str(path))


def _environment(ports: Mapping[str, int], redis_url: str, *, secret: str) -> dict[str, str]:
    own = urlsplit(redis_url)
    return {
        "DATABASE_URL": f"postgresql+psycopg://dispatcher@{LOOPBACK}:{ports['postgres']}/dispatcher?sslmode=disable",
        "REDIS_URL": own._replace(netloc=f":{own.password}@{LOOPBACK}:{ports['valkey']}").geturl(),
        "DISPATCHER_JWT_SECRET": secrets.token_urlsafe(48),
        "DISPATCHER_PROVIDERS": json.dumps(_providers(ports, secret=secret)),
        **_SETTINGS,
    }


def _providers(ports: Mapping[str, int], *, secret: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for name, port in (("first", ports["first-proxy"]), ("second", ports["second"])):
        options = http_options(
            f"http://{LOOPBACK}:{port}",
            receipt_url=f"http://{LOOPBACK}:{ports['api']}/receipts/{name}",
            receipt_secret=secret,
        )
        found.append({"name": name, "plugin": "http", "options": options, "tps": 300, "takes": "both"})
    options = smpp_options(LOOPBACK, ports["smpp-proxy"])
    found.append({"name": "smpp", "plugin": "smpp", "options": options, "tps": 300, "takes": "both"})
    return found


async def _first_run(environment: Mapping[str, str], directory: Path, api_url: str) -> Mapping[str, Any]:
    """Create the tables, the account and its keys; return what a program needs to use them."""
    settings = Settings(
        database_url=environment["DATABASE_URL"],
        redis_url=environment["REDIS_URL"],
        jwt_secret=environment["DISPATCHER_JWT_SECRET"],
    )
    await asyncio.to_thread(migrate, settings)
    file = directory / first_run.FILE
    async with open_context(settings, name="faults") as ctx:
        await first_run.ensure(ctx, file, {"base_url": api_url})
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _processes(
    directory: Path, ports: Mapping[str, int], environment: Mapping[str, str], secret: str
) -> Sequence[ManagedProcess]:
    file = directory / "sandbox.json"
    settings = {"receipt_secret": secret, "control_token": secret, "latency_ms": 20}
    file.write_text(json.dumps(settings), encoding="utf-8")
    sandboxes = []
    for name in PROVIDERS:
        argv = process_commands.sandbox(LOOPBACK, ports[name], file, post_to=f"{LOOPBACK}:{ports['api']}")
        argv += [f"--smpp-port={ports['smpp-listener']}"] if name == "smpp" else []
        sandboxes.append(ManagedProcess(name=f"provider-{name}", argv=argv))
    api = ManagedProcess(name="api", argv=process_commands.api(LOOPBACK, ports["api"]), env=environment)
    workers = [_worker(name, queue, environment) for name, queue in process_commands.WORKERS.items()]
    beat = ManagedProcess(name="beat", argv=process_commands.beat(), env=environment, together=True)
    return [*sandboxes, api, *workers, beat]


def _worker(name: str, queue: str, environment: Mapping[str, str]) -> ManagedProcess:
    return ManagedProcess(
        name=name,
        argv=process_commands.worker(queue, name=name.removeprefix("worker-")),
        env=environment,
        nice=_NICE.get(queue, 0),
        stop_timeout=timedelta(seconds=30),
        together=True,
    )


def _skewed(environment: Mapping[str, str]) -> ManagedProcess | None:
    """Return a second worker of the standard lane whose clock is wrong; None without libfaketime."""
    skew = clock_skew.variables()
    if skew is None:
        return None
    return ManagedProcess(
        name="worker-standard-skewed",
        argv=process_commands.worker("standard", name="skewed"),
        env={**environment, **skew},
        stop_timeout=timedelta(seconds=30),
        together=True,
    )
