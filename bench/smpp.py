"""
Messages over SMPP and their receipts, over one bind: `python -m bench.smpp`.

The SMSC is the npm package smpp, which is downloaded once if node and npm are
installed, and our own sandbox. If both give the same figures, the limit is ours.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.cpu import other_load, spent, usage
from bench.rig import SECRET, Peer, Rig, run, run_server
from bench.trials import BATCH, LEAD, SUBMIT_RATE, Figures, analyze, lift_rate_limit
from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.messages.submission import Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.local.embedded.ports import free_port
from dispatcher.sandbox.provider_options import smpp_options
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.submissions.submit import submit

PACKAGE: Final = "smpp@0.5.1"
LATENCIES: Final = (0.0, 50.0)
_SCRIPT = Path(__file__).parent / "smpp_server.mjs"
_CACHE = Path(tempfile.gettempdir()) / "dispatcher-bench-npm"
_WARM = 2_000
_PATIENCE = 30.0
_NUMBERS = NumberPolicy(default_country="KE", national=True)


@dataclass(frozen=True, slots=True)
class Load:
    """What a trial sends: messages of so many parts. The SMSC throttles one submit in so many, 0 none."""

    messages: int
    parts: int = 1
    throttle_every: int = 0


class NotAvailable(Exception):
    """What a trial needs is not available on this machine."""


def main() -> None:
    """Run the trials and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.smpp", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--parts", type=int, default=1, help="of each text")
    parser.add_argument("--throttle-every", type=int, default=0, metavar="N", help="one submit in N")
    parser.add_argument("--latency", type=float, nargs="+", default=LATENCIES, metavar="MS")
    options = parser.parse_args()
    if (others := other_load()) > 0.4:
        print(f"the machine is busy: {others:.1f} cores in use", file=sys.stderr)

    def record(name: str, figures: Figures) -> None:
        print(f"{name}: {json.dumps({k: round(v, 1) for k, v in figures.items()})}", flush=True)

    load = Load(options.messages, options.parts, options.throttle_every)
    measure(load, record, latencies=options.latency)


def measure(
    load: Load, record: Callable[[str, Figures], None], *, latencies: Sequence[float] = LATENCIES
) -> None:
    """Run the trial with each SMSC and latency; report and skip an SMSC that is not available."""
    for name, peer in (("npm", npm_server), ("sandbox", sandbox_server)):
        try:
            run(
                partial(_run_trials, load=load, record=record, name=name, latencies=latencies),
                peer=peer,
            )
        except NotAvailable as missing:
            print(f"  smpp, {name}: skipped: {missing}", flush=True)


@contextmanager
def npm_server(_: str) -> Iterator[Peer]:
    """Start the SMSC of the npm package. Raises NotAvailable."""
    smpp, control = free_port(), free_port()
    with run_server(["node", str(_SCRIPT), str(_package()), str(smpp), str(control)], control) as (
        pid,
        client,
    ):
        yield Peer(pid, client, "smpp", smpp_options("127.0.0.1", smpp))


@contextmanager
def sandbox_server(_: str) -> Iterator[Peer]:
    """Start our sandbox as the SMSC."""
    smpp, http = free_port(), free_port()
    settings = json.dumps({"receipt_delay_ms": 0, "control_token": SECRET})
    command = [sys.executable, "-m", "dispatcher.sandbox", "--port", str(http), "--smpp-port", str(smpp)]
    with run_server([*command, "--settings", settings], http) as (pid, client):
        client.headers["Authorization"] = f"Bearer {SECRET}"
        yield Peer(pid, client, "smpp", smpp_options("127.0.0.1", smpp))


def _package() -> Path:
    """Return the folder with the package, after installing it the first time. Raises NotAvailable."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise NotAvailable("node or npm is missing")
    if not (_CACHE / "node_modules" / "smpp").is_dir():
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        done = subprocess.run([*command, "--prefix", str(_CACHE), PACKAGE], check=False, capture_output=True)
        if done.returncode:
            raise NotAvailable(
                f"npm cannot install {PACKAGE}: {done.stderr.decode(errors='replace').strip()[-200:]}"
            )
    return _CACHE


def _run_trials(
    rig: Rig, load: Load, record: Callable[[str, Figures], None], name: str, latencies: Sequence[float]
) -> None:
    lift_rate_limit(rig)
    _with(rig, replace(load, messages=min(load.messages, _WARM)), latency=0)
    for latency in latencies:
        record(f"smpp, {name}, {latency:g} ms", _with(rig, load, latency=latency))


def _with(rig: Rig, load: Load, *, latency: float) -> Figures:
    settings = {"latency_ms": latency, "smpp_throttle_every": load.throttle_every}
    rig.provider.put("/settings", json=settings).raise_for_status()
    rig.provider.post("/reset").raise_for_status()
    return asyncio.run(_trial(rig, load))


async def _trial(rig: Rig, load: Load) -> Figures:
    """
    Return the figures of bulk messages that are due at the same time, when each is 13.

    `rate` counts from that time to the last submit, `whole_rate` to the last
    receipt that we acknowledged, which we do when it is stored.
    """
    messages, content = load.messages, "Hello" if load.parts == 1 else "x" * 153 * load.parts
    async with open_context(rig.stack.settings, name="bench") as ctx:
        caller = Caller(await accounts.find(ctx, "demo"), "bench")
        due = ctx.now() + timedelta(seconds=messages / SUBMIT_RATE) + LEAD
        batches = [
            await _submit(ctx, caller, range(start, min(start + BATCH, messages)), due, content)
            for start in range(0, messages, BATCH)
        ]
        await analyze(ctx)
        await asyncio.sleep(max(0.0, (due - ctx.now()).total_seconds()))
        before, smsc = rig.usage(), usage({"smsc": rig.peer.pid})
        stats = await _wait_for_receipts(rig, messages * load.parts)
        finished_at = ctx.now()
        cpu, smsc_cpu = spent(before, rig.usage()), spent(smsc, usage({"smsc": rig.peer.pid}))
        delivered, events = await _count_delivered(ctx, batches, messages)
    seconds = float(stats["last_at"]) - due.timestamp()
    lost, doubled = messages - delivered, stats["duplicates"] + events - delivered
    figures: Figures = {
        "messages": messages,
        "rate": messages / seconds,
        "whole_rate": messages / (finished_at - due).total_seconds(),
        "cpu_us": sum(cpu.values()) / messages * 1e6,
        "lost": lost,
        "doubled": doubled,
        "lost_or_doubled": lost + doubled,
        "smsc_cpu_us": smsc_cpu["smsc"] / messages * 1e6,
    }
    return figures | {f"cpu_us {name}": used / messages * 1e6 for name, used in cpu.items()}


async def _submit(ctx: Context, caller: Caller, numbers: range, due: datetime, content: str) -> int:
    recipients = [f"+2547{number:08}" for number in numbers]
    submission = Submission(
        recipients=recipients, text=content, numbers=_NUMBERS, tier=Tier.BULK, not_before=due
    )
    return (await submit(ctx, caller, submission)).id


async def _wait_for_receipts(rig: Rig, receipts: int) -> Mapping[str, Any]:
    """Return the SMSC's counts once so many receipts are acknowledged, or nothing has changed for a while."""
    seen, since = -1, time.monotonic()
    while True:
        stats = rig.stats()
        if stats["receipts_sent"] >= receipts or time.monotonic() - since > _PATIENCE:
            return stats
        if stats["submits"] + stats["receipts_sent"] != seen:
            seen, since = stats["submits"] + stats["receipts_sent"], time.monotonic()
        await asyncio.sleep(0.1)


async def _count_delivered(ctx: Context, batches: Sequence[int], messages: int) -> tuple[int, int]:
    """Return how many messages are 13, and how many events say so, after waiting a moment for the last."""

    async def count(connection: AsyncConnection) -> tuple[int, int]:
        messages_query = "SELECT count(*) FROM messages WHERE batch_id = ANY(:batches) AND status = 13"
        events_query = (
            "SELECT count(*) FROM message_events e JOIN messages m ON m.id = e.message_id"
            " WHERE m.batch_id = ANY(:batches) AND e.status = 13"
        )
        values = {"batches": list(batches)}
        return (
            int(await connection.scalar(text(messages_query), values) or 0),
            int(await connection.scalar(text(events_query), values) or 0),
        )

    until = time.monotonic() + _PATIENCE
    while (found := await ctx.database.transact(count))[0] < messages and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.2)  # there is no event to wait for
    return found


if __name__ == "__main__":
    main()
