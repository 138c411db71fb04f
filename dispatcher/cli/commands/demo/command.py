"""`dispatcher demo`: starts a stack, sends messages through it, and prints how they ended."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import typer

from dispatcher.bootstrap import open_context
from dispatcher.cli.commands.demo import findings, traffic
from dispatcher.cli.commands.demo.display import display
from dispatcher.cli.commands.demo.findings import DemoResult
from dispatcher.cli.commands.demo.groups import GROUPS
from dispatcher.cli.commands.messages.send import DIALECT
from dispatcher.cli.console import print_line, print_note, print_table
from dispatcher.cli.status_words import status_label
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.tier import Tier
from dispatcher.local import stack
from dispatcher.local.embedded.ports import free_port
from dispatcher.local.first_run import ACCOUNT
from dispatcher.local.stack import Stack
from dispatcher.local.stack_plan import StackPlan
from dispatcher.service.accounts import accounts

_PATIENCE = timedelta(seconds=45)

# Short, so that retries, doubt and missing receipts end within the demo.
_VARIABLES = {
    "DISPATCHER_BACKOFF_BASE": "0.5",
    "DISPATCHER_BACKOFF_CAP": "1",
    "DISPATCHER_RECEIPT_TIMEOUT": "6",
}
_PROVIDER = {"call_timeout": 2}
_PREFIXES = ("DATABASE_URL", "REDIS_URL", "DISPATCHER_", "FLOWER_")


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(demo)


def demo() -> None:
    """Send a few hundred messages through a temporary stack; exit 0 if each ended as it should."""
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    faults: list[str] | None = None

    def action(running: Stack) -> None:
        nonlocal faults
        faults = list(asyncio.run(_run_demo(running)))

    with tempfile.TemporaryDirectory(prefix="dispatcher-demo-") as folder:
        directory = Path(folder)
        try:
            stack.run(_plan(directory), _print_event, action)
        finally:
            _remove_elsewhere(directory)
    if faults is None:
        raise typer.Exit(130)
    for fault in faults:
        print_note(fault)
    if faults:
        raise typer.Exit(1)
    print_line("Each message ended as it should.")


def _plan(directory: Path) -> StackPlan:
    ports: set[int] = set()
    while len(ports) < 3:
        ports.add(free_port())
    port, flower_port, sandbox_port = ports
    return StackPlan(
        directory,
        port=port,
        flower_port=flower_port,
        sandbox_port=sandbox_port,
        variables=_VARIABLES,
        provider=_PROVIDER,
    )


async def _run_demo(running: Stack) -> Sequence[str]:
    """Send the messages, follow them to their ends, and return the faults."""
    plan, created = running.plan, running.credentials
    async with (
        open_context(running.settings, name="demo") as ctx,
        httpx.AsyncClient(
            base_url=plan.base_url, headers={"Authorization": f"Bearer {created.token}"}, trust_env=False
        ) as api,
        httpx.AsyncClient(
            base_url=plan.sandbox_url,
            headers={"Authorization": f"Bearer {plan.sandbox_token}"},
            trust_env=False,
        ) as sandbox,
    ):
        account = await accounts.find(ctx, ACCOUNT)
        direct, over_http = Caller(account, DIALECT), Caller(account, "scheduler")
        sender = traffic.DemoProducer(ctx, api, direct, over_http, created.sender_id)
        batches = await traffic.submit_all(sender)
        tiers = {message_id: batch.group.tier for batch in batches for message_id in batch.message_ids}
        print_line(f"\n{len(tiers)} messages submitted")
        with display(tiers) as show:
            await traffic.follow(ctx, batches, until=ctx.now() + _PATIENCE, show=show)
        found = await findings.read(ctx, sandbox, batches)
        stats = (await sandbox.get("/stats")).raise_for_status().json()
    _print(found, stats)
    known = sum(result.arrival is not None and result.arrival.accepted > 0 for result in found)
    return findings.faults(found, unknown=stats["unique_references"] - known)


def _print(found: Sequence[DemoResult], stats: Mapping[str, int]) -> None:
    rows = []
    for group in GROUPS:
        ended = findings.count_statuses(found, group)
        other_ends = [
            f"{count} x {status_label(status)}" for status, count in ended.items() if status is not group.end
        ]
        verdict = ", ".join(other_ends) or "ok"
        rows.append((group.name, group.tier, group.size, status_label(group.end), ended[group.end], verdict))
    columns = ("what", "tier", "sent", "must end as", "did", "others")
    print_line("")
    print_table(columns, rows, numbers=("sent", "did"))
    print_line("")
    _print_lags(found)
    print_line(
        f"\nThe network received {stats['submits']} submits and accepted {stats['unique_references']}"
        f" messages, {stats['duplicates']} of them twice (only a message in doubt may be). It sent"
        f" {stats['receipts_sent']} receipts."
    )


def _print_lags(found: Sequence[DemoResult]) -> None:
    lags = {
        "at a set time: released": findings.release_lags(found),
        "at a set time: at the provider": findings.arrival_lags(found, scheduled=True),
        **{
            f"at once, {tier}: at the provider": findings.arrival_lags(
                [result for result in found if result.group.tier is tier], scheduled=False
            )
            for tier in Tier
        },
    }
    print_table(
        ("delay after its time", "messages", "median", "p99"),
        [
            (name, len(lag), *(f"{ms:.1f} ms" for ms in findings.median_and_p99(lag)))
            for name, lag in lags.items()
        ],
        numbers=("messages", "median", "p99"),
    )


def _remove_elsewhere(directory: Path) -> None:
    """Remove a database that Postgres had to keep in another directory, which `elsewhere` names."""
    elsewhere = directory / "postgres" / "elsewhere"
    if elsewhere.exists():
        shutil.rmtree(elsewhere.read_text(encoding="utf-8"), ignore_errors=True)


def _print_event(name: str, text: str) -> None:
    print_line(f"{name:<16} {text}")
