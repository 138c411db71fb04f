"""`dispatcher provider`: each provider's state and its reason, orders, and a message to test it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from getpass import getuser
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.console import print_json, print_line, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.domain.delivery.provider import Accepted, Deferred, Rejected, Unknown, Unsent
from dispatcher.domain.duration import format_duration
from dispatcher.domain.routing.provider_state import Override
from dispatcher.service.context import Context
from dispatcher.service.routing import providers
from dispatcher.service.routing.providers import ProviderReport, TestMessage

_ORDERS = {
    "pause": (Override.PAUSED, "Send nothing there; what has no other way waits."),
    "resume": (Override.NONE, "Take a pause, a drain or a pin back; what waits goes on."),
    "drain": (Override.DRAINED, "Route as if it were not there; its receipts still come in."),
    "pin": (Override.PINNED, "Put it first in every route that names it, whatever its breaker says."),
    "unpin": (Override.NONE, "Take a pin back; the breaker counts again."),
}
_COLUMNS = ("provider", "state", "since", "tried", "failed", "median", "tps", "of", "out", "why")
_NUMBERS = ("tried", "failed", "median", "tps", "of", "out")

ProviderName = Annotated[
    str, typer.Argument(metavar="NAME", help="As DISPATCHER_PROVIDERS has it.", show_default=False)
]
OverrideReason = Annotated[str, typer.Option("--reason", help="Why; every operator sees it.")]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    provider = typer.Typer(help="Providers: how they are, and orders to them.", no_args_is_help=True)
    provider.command("list")(list_providers)
    for verb, (order, told) in _ORDERS.items():
        provider.command(verb, help=told)(_ordering(order))
    provider.command("test")(send_test)
    app.add_typer(provider, name="provider")


def list_providers(
    story: Annotated[bool, typer.Option("--story", help="And what happened to each lately.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Tell how each provider is, since when and why, and what came of its messages of ten seconds."""

    async def look(ctx: Context) -> tuple[Sequence[ProviderReport], datetime]:
        return await providers.every(ctx), ctx.now()

    reports, now = run_with_context(data, look)
    if as_json:
        print_json([_whole(report) for report in reports])
        return
    print_table(_COLUMNS, [_row(report, now) for report in reports], numbers=_NUMBERS)
    if any(report.window is None for report in reports):
        print_line("Redis cannot be reached: what the breakers say is not known")
    if story:
        for report in reports:
            print_line(f"\n{report.config.name}")
            rows = [(turn.at, turn.to, turn.by or "", turn.cause) for turn in report.story]
            print_table(("at", "to", "by", "why"), rows)


def send_test(
    name: ProviderName,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="With + and country code.")],
    text: Annotated[str, typer.Option("--text", help="What to send.")] = "Test",
    sender: Annotated[str | None, typer.Option("--sender", help="The sender ID to show.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Send one message straight through a provider, past lanes, orders and credits; 1 if it is not taken."""
    trial = run_with_context(
        data, lambda ctx: providers.send_test(ctx, name, number, text=text, sender=sender)
    )
    if as_json:
        print_json(
            {
                "reference": trial.reference,
                "outcome": type(trial.outcome).__name__.lower(),
                "took_ms": round(trial.took / timedelta(milliseconds=1)),
                **asdict(trial.outcome),
            }
        )
    else:
        print_line(_told(name, trial))
    if not isinstance(trial.outcome, Accepted):
        raise typer.Exit(1)


def _ordering(order: Override) -> Callable[..., None]:
    def command(
        name: ProviderName, reason: OverrideReason = "", as_json: AsJson = False, data: Data = None
    ) -> None:
        report = run_with_context(
            data, lambda ctx: providers.set_override(ctx, name, order, reason=reason, by=getuser())
        )
        if as_json:
            print_json(_whole(report))
        else:
            print_line(f"provider {name} is {report.condition}")

    return command


def _row(report: ProviderReport, now: datetime) -> Sequence[object]:
    latest, window = report.latest, report.window
    by = f" ({latest.by})" if latest is not None and latest.by else ""
    return (
        report.config.name,
        str(report.condition),
        None if latest is None else f"{format_duration(now - latest.at)} ago",
        window and window.tried,
        window and window.failed,
        None if window is None or window.latency is None else format_duration(window.latency),
        None if report.tps is None else f"{report.tps:.1f}",
        f"{report.config.tps:g}",
        report.out,
        "" if latest is None else latest.cause + by,
    )


def _whole(report: ProviderReport) -> dict[str, object]:
    latency = None if report.window is None else report.window.latency
    return {
        "name": report.config.name,
        "plugin": report.config.plugin,
        "tps": report.config.tps,
        "breaker": report.condition.breaker,
        "order": report.condition.order,
        "until": report.condition.until,
        "window": report.window
        and {
            "tried": report.window.tried,
            "failed": report.window.failed,
            "slow": report.window.slow,
            "segments": report.window.segments,
            "median_ms": None if latency is None else latency // timedelta(milliseconds=1),
        },
        "out": report.out,
        "story": [asdict(turn) for turn in report.story],
    }


def _told(name: str, trial: TestMessage) -> str:
    match trial.outcome:
        case Accepted(refs=refs):
            ended = f"accepted it as {', '.join(refs) or 'nothing it names'}"
        case Rejected(status=status, reason=reason):
            ended = f"rejected it, {status.value} {status.name.lower()}: {reason}"
        case Deferred(reason=reason, after=after):
            ended = f"said later{'' if after is None else f', in {format_duration(after)}'}: {reason}"
        case Unsent(reason=reason):
            ended = f"surely did not get it: {reason}"
        case Unknown(reason=reason):
            ended = f"may have it, and nobody can tell: {reason}"
    return f"{name} {ended} ({format_duration(trial.took)}; our reference {trial.reference})"
