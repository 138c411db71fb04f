"""`dispatcher provider`: shows and overrides the state of providers, and tests one with a message."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.console import own_command, print_json, print_line, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    PartlyAccepted,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.delivery.refusal import Refusal
from dispatcher.domain.duration import format_duration
from dispatcher.domain.errors import NotConfirmed
from dispatcher.domain.routing.provider_state import WORDS, Override
from dispatcher.service.context import Context
from dispatcher.service.routing import providers
from dispatcher.service.routing.providers import ProviderReport, TestMessage

_OVERRIDES = {
    "pause": (Override.PAUSED, "Send nothing there; messages without another provider wait."),
    "resume": (Override.NONE, "End a pause, a drain or a pin; waiting messages are sent."),
    "pin": (Override.PINNED, "Put it first in every route that names it, whatever its breaker says."),
    "unpin": (Override.NONE, "The same as `resume`."),
}
_COLUMNS = ("provider", "state", "since", "tried", "failed", "median", "tps", "of", "out", "why")
_NUMBERS = ("tried", "failed", "median", "tps", "of", "out")

ProviderName = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name in DISPATCHER_PROVIDERS.", show_default=False)
]
OverrideReason = Annotated[str, typer.Option("--reason", help="The reason, shown to every operator.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    provider = typer.Typer(help="Show the state of providers, and override it.", no_args_is_help=True)
    provider.command("list")(list_providers)
    for verb, (order, help_text) in _OVERRIDES.items():
        provider.command(verb, help=help_text)(_override_command(order))
    provider.command("drain")(drain)
    provider.command("test")(send_test)
    app.add_typer(provider, name="provider")


def list_providers(
    story: Annotated[bool, typer.Option("--story", help="Also show the latest changes of each.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show each provider's state, since when and why, and its calls in the last ten seconds."""

    async def work(ctx: Context) -> tuple[Sequence[ProviderReport], datetime]:
        return await providers.every(ctx), ctx.now()

    reports, now = run_with_context(data, work)
    if as_json:
        print_json([_whole(report) for report in reports])
        return
    print_table(_COLUMNS, [_row(report, now) for report in reports], numbers=_NUMBERS)
    for report in reports:
        if report.last_refusal is not None:
            print_line(f"{report.config.name} {_refusal(report.last_refusal, now)}")
    if any(report.window is None for report in reports):
        print_line("Redis cannot be reached: the state of the breakers is unknown")
    if story:
        for report in reports:
            print_line(f"\n{report.config.name}")
            rows = [(change.at, WORDS[change.to], change.by or "", change.cause) for change in report.history]
            print_table(("at", "to", "by", "why"), rows)


def send_test(
    name: ProviderName,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The recipient, with + and country code.")],
    text: Annotated[str, typer.Option("--text", help="The text to send.")] = "Test",
    sender: Annotated[str | None, typer.Option("--sender", help="The sender ID.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Send one message to a provider, past lanes, overrides and credits; exit 1 if it is not accepted."""
    test = run_with_context(
        data, lambda ctx: providers.send_test(ctx, name, number, text=text, sender=sender)
    )
    if as_json:
        print_json(
            {
                "reference": test.reference,
                "outcome": type(test.outcome).__name__.lower(),
                "took_ms": round(test.took / timedelta(milliseconds=1)),
                **asdict(test.outcome),
            }
        )
    else:
        print_line(_outcome_text(name, test))
    if not isinstance(test.outcome, Accepted):
        raise typer.Exit(1)


def drain(
    name: ProviderName,
    reason: OverrideReason = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Route as if it did not exist; its receipts are still received. Asks first if it is a last way."""

    async def work(ctx: Context, *, confirmed: bool) -> ProviderReport:
        return await providers.set_override(
            ctx, name, Override.DRAINED, reason=reason, by=getuser(), confirmed=confirmed
        )

    try:
        report = run_with_context(data, partial(work, confirmed=yes))
    except NotConfirmed as effect:
        if not sys.stdin.isatty():
            raise NotConfirmed(f"{effect}. To drain it: {_drain_line(name, reason, data)}") from None
        typer.confirm(f"{effect}. Drain it?", abort=True, err=True)
        report = run_with_context(data, partial(work, confirmed=True))
    _print_override(name, report, as_json=as_json)


def _drain_line(name: str, reason: str, data: Path | None) -> str:
    """Return the line that drains without a question."""
    options = [*(("--reason", reason) if reason else ()), *(("--data", str(data)) if data else ())]
    return f"{own_command()} {shlex.join(['provider', 'drain', name, *options, '--yes'])}"


def _print_override(name: str, report: ProviderReport, *, as_json: bool) -> None:
    if as_json:
        print_json(_whole(report))
    else:
        print_line(f"provider {name} {report.state.consequence}")


def _override_command(order: Override) -> Callable[..., None]:
    def command(
        name: ProviderName, reason: OverrideReason = "", as_json: AsJson = False, data: Data = None
    ) -> None:
        report = run_with_context(
            data, lambda ctx: providers.set_override(ctx, name, order, reason=reason, by=getuser())
        )
        _print_override(name, report, as_json=as_json)

    return command


def _row(report: ProviderReport, now: datetime) -> Sequence[object]:
    latest, window = report.latest, report.window
    by = f" ({latest.by})" if latest is not None and latest.by else ""
    return (
        report.config.name,
        str(report.state),
        None if latest is None else f"{format_duration(now - latest.at)} ago",
        window and window.tried,
        window and window.failed,
        None if window is None or window.latency is None else format_duration(window.latency),
        None if report.tps is None else f"{report.tps:.1f}",
        f"{report.config.tps:g}",
        report.in_flight,
        "" if latest is None else latest.cause + by,
    )


def _refusal(last: Refusal, now: datetime) -> str:
    """Return the last refusal as the rest of a sentence that begins with the provider's name."""
    ago = format_duration(max(now - last.at, timedelta()))
    account = (
        ""
        if last.since is None
        else f"; it has refused our account for {format_duration(max(now - last.since, timedelta()))}"
    )
    return f"last refused a message {ago} ago ({last.outcome}): {last.words}{account}"


def _whole(report: ProviderReport) -> dict[str, object]:
    latency = None if report.window is None else report.window.latency
    return {
        "name": report.config.name,
        "plugin": report.config.plugin,
        "tps": report.config.tps,
        "breaker": report.state.breaker,
        "order": report.state.override,
        "until": report.state.until,
        "window": report.window
        and {
            "tried": report.window.tried,
            "failed": report.window.failed,
            "slow": report.window.slow,
            "segments": report.window.segments,
            "median_ms": None if latency is None else latency // timedelta(milliseconds=1),
        },
        "out": report.in_flight,
        "last_refusal": report.last_refusal and asdict(report.last_refusal),
        "story": [asdict(change) for change in report.history],
    }


def _outcome_text(name: str, test: TestMessage) -> str:
    match test.outcome:
        case Accepted(refs=refs):
            result = f"accepted it as {', '.join(filter(None, refs)) or 'no reference'}"
        case PartlyAccepted(taken=taken, total=total, rest=rest):
            result = f"accepted {len(taken)} of {total} parts, but not the others: {rest.reason}"
        case Rejected(status=status, reason=reason):
            result = f"rejected it, {status.value} {status.name.lower()}: {reason}"
        case Deferred(reason=reason, after=after):
            result = f"deferred it{'' if after is None else f', in {format_duration(after)}'}: {reason}"
        case Unsent(reason=reason):
            result = f"did not get it: {reason}"
        case Unknown(reason=reason):
            result = f"may or may not have it: {reason}"
    return f"{name} {result} ({format_duration(test.took)}; our reference {test.reference})"
