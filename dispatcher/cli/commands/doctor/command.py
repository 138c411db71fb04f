"""`dispatcher doctor`: checks everything the dispatcher needs, and gives advice on what is wrong."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from dispatcher.bootstrap import open_context
from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.commands.doctor import checks
from dispatcher.cli.console import console, print_json
from dispatcher.cli.session import quiet_settings
from dispatcher.domain.errors import Misconfigured, Unavailable
from dispatcher.local.environment import default_directory
from dispatcher.service.health.callback_checks import disabled_webhooks
from dispatcher.service.health.finding import Finding, Level, fail, ok
from dispatcher.service.health.message_checks import delayed
from dispatcher.service.health.readiness import redis_findings, require_migrated
from dispatcher.service.receipts import listing
from dispatcher.settings import Settings

_MOST_COUNTED = 100_000
_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor(as_json: AsJson = False, data: Data = None) -> None:
    """Check the whole set-up, with advice on what is wrong; exit 1 if a check fails."""
    findings = run_checks(data)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _print(finding)
    if any(finding.level is Level.FAIL for finding in findings):
        raise typer.Exit(1)


def run_checks(data: Path | None) -> Sequence[Finding]:
    """Return the findings of all checks; without valid settings, of those that need none."""
    directory = data or default_directory()
    local = [*checks.private_files(directory), checks.disk(directory)]
    try:
        settings = quiet_settings(data)
    except Misconfigured as error:
        return [fail("settings", str(error), "see .env.example"), *local]
    servers = [*checks.postgres(settings), *checks.redis_server(settings)]
    return [ok("settings", "complete"), *servers, *asyncio.run(_check_context(settings)), *local]


async def _check_context(settings: Settings) -> Sequence[Finding]:
    """Return the findings on migrations, providers, receipts, messages, queues and processes."""
    try:
        async with open_context(settings, name="doctor") as ctx:
            found: Sequence[Finding] = ()
            try:
                await require_migrated(ctx)
                migrations = ok("migrations", "all are applied")
                unmatched, remarked = await listing.recent_unmatched(ctx), await listing.recent_remarked(ctx)
                await ctx.provider_health.refresh()
                delays = await delayed(ctx, count_up_to=_MOST_COUNTED)
                disabled = await disabled_webhooks(ctx)
                found = [checks.receipts(unmatched), *checks.remarks(remarked), *disabled, *delays]
            except Misconfigured as error:
                migrations = fail("migrations", str(error), "run `dispatcher migrate`")
            except Unavailable as error:
                migrations = fail("migrations", str(error), "see postgres")
            return [
                migrations,
                checks.providers(settings),
                *checks.unsigned(settings),
                *found,
                *await redis_findings(ctx),
            ]
    except Misconfigured as error:
        return [fail("providers", str(error), "correct DISPATCHER_PROVIDERS")]


def _print(finding: Finding) -> None:
    out = console()
    out.print(f"{finding.level:<4}", style=_STYLES[finding.level], end="  ")
    advice = f" -> {finding.advice}" if finding.advice else ""
    out.print(f"{finding.subject:<16} {finding.text}{advice}")
