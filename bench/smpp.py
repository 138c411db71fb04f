"""
Messages over SMPP and their receipts back, over one bind: `python -m bench.smpp`.

The SMSC is the npm package smpp, which is fetched once where node and npm are
there, and our own sandbox: where both give the same, it is we who are measured.
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
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.cpu import other_load, spent, usage
from bench.rig import Peer, Rig, answering, run
from bench.trials import BATCH, HANDED_IN, LEAD, Figures, analyze, unlimited
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


class Absent(Exception):
    """What a trial needs is not on this machine."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.smpp", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--latency", type=float, nargs="+", default=LATENCIES, metavar="MS")
    options = parser.parse_args()
    if (load := other_load()) > 0.4:
        print(f"the machine is busy: {load:.1f} cores in use", file=sys.stderr)

    def note(name: str, figures: Figures) -> None:
        print(f"{name}: {json.dumps({k: round(v, 1) for k, v in figures.items()})}", flush=True)

    measure(options.messages, note, latencies=options.latency)


def measure(
    messages: int, note: Callable[[str, Figures], None], *, latencies: Sequence[float] = LATENCIES
) -> None:
    """Run the trial with each SMSC and latency; one that cannot be had is said and left out."""
    for name, peer in (("npm", npm_server), ("sandbox", sandbox_server)):
        try:
            run(partial(_story, messages=messages, note=note, name=name, latencies=latencies), peer=peer)
        except Absent as missing:
            print(f"  smpp, {name}: left out: {missing}", flush=True)


@contextmanager
def npm_server(_: str) -> Iterator[Peer]:
    """Start the SMSC that is made with the npm package. Raises Absent."""
    smpp, control = free_port(), free_port()
    with answering(["node", str(_SCRIPT), str(_package()), str(smpp), str(control)], control) as (
        pid,
        client,
    ):
        yield Peer(pid, client, "smpp", smpp_options("127.0.0.1", smpp))


@contextmanager
def sandbox_server(_: str) -> Iterator[Peer]:
    """Start our own."""
    smpp, http = free_port(), free_port()
    settings = json.dumps({"receipt_delay_ms": 0})
    command = [sys.executable, "-m", "dispatcher.sandbox", "--port", str(http), "--smpp-port", str(smpp)]
    with answering([*command, "--settings", settings], http) as (pid, client):
        yield Peer(pid, client, "smpp", smpp_options("127.0.0.1", smpp))


def _package() -> Path:
    """Give the folder in which the package is installed; it is fetched the first time."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Absent("node or npm is missing")
    if not (_CACHE / "node_modules" / "smpp").is_dir():
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        done = subprocess.run([*command, "--prefix", str(_CACHE), PACKAGE], check=False, capture_output=True)
        if done.returncode:
            raise Absent(
                f"npm cannot install {PACKAGE}: {done.stderr.decode(errors='replace').strip()[-200:]}"
            )
    return _CACHE


def _story(
    rig: Rig, messages: int, note: Callable[[str, Figures], None], name: str, latencies: Sequence[float]
) -> None:
    unlimited(rig)
    _with(rig, min(messages, _WARM), latency=0)
    for latency in latencies:
        note(f"smpp, {name}, {latency:g} ms", _with(rig, messages, latency=latency))


def _with(rig: Rig, messages: int, *, latency: float) -> Figures:
    rig.provider.put("/settings", json={"latency_ms": latency}).raise_for_status()
    rig.provider.post("/reset").raise_for_status()
    return asyncio.run(_trial(rig, messages))


async def _trial(rig: Rig, messages: int) -> Figures:
    """
    Let so many bulk messages fall due at one time, to as many numbers; wait until each is 13.

    `rate` counts from that time to the last submit, `whole_rate` to the last
    receipt that was acknowledged, which we do when it is kept.
    """
    async with open_context(rig.stack.settings, name="bench") as ctx:
        caller = Caller(await accounts.find(ctx, "demo"), "bench")
        due = ctx.now() + timedelta(seconds=messages / HANDED_IN) + LEAD
        batches = [
            await _submit(ctx, caller, range(start, min(start + BATCH, messages)), due)
            for start in range(0, messages, BATCH)
        ]
        await analyze(ctx)
        await asyncio.sleep(max(0.0, (due - ctx.now()).total_seconds()))
        before, smsc = rig.usage(), usage({"smsc": rig.peer.pid})
        stats = await _until_told(rig, messages)
        told_at = ctx.now()
        cpu, smsc_cpu = spent(before, rig.usage()), spent(smsc, usage({"smsc": rig.peer.pid}))
        delivered, events = await _kept(ctx, batches, messages)
    seconds = float(stats["last_at"]) - due.timestamp()
    lost, doubled = messages - delivered, stats["duplicates"] + events - delivered
    figures: Figures = {
        "messages": messages,
        "rate": messages / seconds,
        "whole_rate": messages / (told_at - due).total_seconds(),
        "cpu_us": sum(cpu.values()) / messages * 1e6,
        "lost": lost,
        "doubled": doubled,
        "lost_or_doubled": lost + doubled,
        "smsc_cpu_us": smsc_cpu["smsc"] / messages * 1e6,
    }
    return figures | {f"cpu_us {name}": used / messages * 1e6 for name, used in cpu.items()}


async def _submit(ctx: Context, caller: Caller, numbers: range, due: datetime) -> int:
    recipients = [f"+2547{number:08}" for number in numbers]
    wanted = Submission(recipients=recipients, text="Hello", numbers=_NUMBERS, tier=Tier.BULK, not_before=due)
    return (await submit(ctx, caller, wanted)).id


async def _until_told(rig: Rig, messages: int) -> Mapping[str, Any]:
    """Wait until the SMSC had so many receipts acknowledged; no longer than nothing moves for a while."""
    seen, since = -1, time.monotonic()
    while True:
        stats = rig.stats()
        if stats["receipts_sent"] >= messages or time.monotonic() - since > _PATIENCE:
            return stats
        if stats["submits"] + stats["receipts_sent"] != seen:
            seen, since = stats["submits"] + stats["receipts_sent"], time.monotonic()
        await asyncio.sleep(0.1)


async def _kept(ctx: Context, batches: Sequence[int], messages: int) -> tuple[int, int]:
    """Count the messages that are 13, and how often they became it; wait a moment for the last."""

    async def count(connection: AsyncConnection) -> tuple[int, int]:
        are = "SELECT count(*) FROM messages WHERE batch_id = ANY(:batches) AND status = 13"
        became = (
            "SELECT count(*) FROM message_events e JOIN messages m ON m.id = e.message_id"
            " WHERE m.batch_id = ANY(:batches) AND e.status = 13"
        )
        values = {"batches": list(batches)}
        return (
            int(await connection.scalar(text(are), values) or 0),
            int(await connection.scalar(text(became), values) or 0),
        )

    until = time.monotonic() + _PATIENCE
    while (found := await ctx.database.transact(count))[0] < messages and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.2)  # nobody tells
    return found


if __name__ == "__main__":
    main()
