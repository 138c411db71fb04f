"""
Attacks on the API, while a good client sends: `python -m bench.attacks [--only WORD]`.

Each attack meets an API process of its own, with real servers. The table shows
what the good client saw, and what the API spent. Client, attacker and API share
the machine, and the attacker has the client's address.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis

from bench.attacks.attackers import ATTACKS, Target
from bench.attacks.good_client import GoodClient, Seen
from bench.client import quantile
from bench.cpu import other_load, usage
from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.local import process_commands
from dispatcher.local.embedded.ports import free_port
from dispatcher.local.embedded.servers import embedded_servers
from dispatcher.service.accounts import accounts, credentials, operators
from dispatcher.settings import load_settings
from dispatcher.store.migrate import upgrade

_WARM = 3.0
_LEAST = 10.0
_OPERATOR = "ann"
_NEW_KEYS = 300
_HEADINGS = (
    "attack", "seconds", "good requests", "p50", "p99", "longest", "503", "429", "others not 200",
    "API: CPU", "peak", "the attacker got",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the good client, of which the first is used before the attack, and that of a tenant."""

    good: Sequence[str]
    tenant: str


def main() -> None:
    """Run the attacks and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.attacks", description=__doc__)
    parser.add_argument("--only", default="", help="only attacks with this in their name")
    wanted: str = parser.parse_args().only
    if (load := other_load()) > 0.4:
        print(f"the machine is busy: {load:.1f} cores in use", file=sys.stderr)
    for name in [
        name for name in os.environ if name.startswith(("DATABASE_URL", "REDIS_URL", "DISPATCHER_"))
    ]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder, embedded_servers(Path(folder)) as servers:
        os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = servers
        upgrade(servers[0])
        keys = asyncio.run(_create())
        print(f"| {' | '.join(_HEADINGS)} |\n|{'---|' * len(_HEADINGS)}", flush=True)
        for name in (name for name in ["none", *ATTACKS] if wanted in name):
            print(f"| {' | '.join(_row(name, keys))} |", flush=True)


def _row(attack: str, keys: Keys) -> Sequence[str]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.flushall()
    with _api() as (pid, port):
        target = Target("127.0.0.1", port, _OPERATOR, keys.tenant)
        before = usage({"api": pid})["api"]
        seconds, seen, answers = asyncio.run(_measure(attack, target, keys.good))
        after = usage({"api": pid})["api"]
    others = {status: n for status, n in seen.statuses.items() if status not in ("200", "429", "503")}
    return (
        attack,
        f"{seconds:.1f}",
        str(seen.statuses.total()),
        *(f"{quantile(seen.seconds, share) * 1e3:.0f} ms" for share in (0.5, 0.99, 1)),
        str(seen.statuses["503"]),
        str(seen.statuses["429"]),
        _counts(others),
        f"{after.seconds - before.seconds:.1f} s",
        f"{after.peak_mib:.0f} MiB",
        _counts(answers),
    )


async def _measure(attack: str, target: Target, keys: Sequence[str]) -> tuple[float, Seen, dict[str, int]]:
    """Return how long the attack took, what the good client saw, and the answers to the attacker."""
    client = GoodClient((target.host, target.port), keys)
    await _send_for(client, _WARM)
    ends = asyncio.Event()
    sending = asyncio.create_task(client.send_until(ends))
    started = time.perf_counter()
    answers = await _strike(attack, target)
    seconds = time.perf_counter() - started
    await asyncio.sleep(_LEAST - seconds)
    ends.set()
    return seconds, await sending, answers


async def _send_for(client: GoodClient, seconds: float) -> None:
    ends = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, ends.set)
    if (seen := await client.send_until(ends)).refused:
        sys.exit(f"the good client is refused before the attack: {dict(seen.statuses)}")


async def _strike(attack: str, target: Target) -> dict[str, int]:
    """Return the answers to the attacker."""
    if attack not in ATTACKS:
        return {}
    command = [sys.executable, "-m", "bench.attacks.attackers", attack]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = await process.communicate(target.dump().encode())
    answers: dict[str, int] = json.loads(output)
    return answers


@contextmanager
def _api() -> Iterator[tuple[int, int]]:
    """Run an API process that logs nothing; yield its process id and port."""
    port = free_port()
    command, nowhere = process_commands.api("127.0.0.1", port), subprocess.DEVNULL
    with subprocess.Popen(command, stdout=nowhere, stderr=nowhere) as process:
        try:
            for _ in range(300):
                if _answers(port):
                    break
                time.sleep(0.1)
            else:
                sys.exit("the API does not start")
            yield process.pid, port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


async def _create() -> Keys:
    """Create two accounts with keys, and an operator."""
    async with open_context(load_settings(), name="bench") as ctx:
        await operators.create(ctx, _OPERATOR, "a right password")
        shop = await accounts.create(ctx, "shop", credits=1_000_000, country="KE")
        await accounts.add_sender(ctx, shop, "SHOP")
        tenant = await accounts.create(ctx, "tenant", credits=1_000_000, country="KE")
        key = CredentialKind.API_KEY
        good = [
            (await credentials.create(ctx, shop, key, dialect="emsgnow")).secret for _ in range(_NEW_KEYS)
        ]
        return Keys(good, (await credentials.create(ctx, tenant, key, dialect="formpost")).secret)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(counts.items())) or "–"


if __name__ == "__main__":
    main()
