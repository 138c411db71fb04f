"""`dispatcher message`: a message's history and where it is now; and edits of unsent messages."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.commands.messages import edits
from dispatcher.cli.commands.messages.lookup_output import print_batch, print_facts, print_found_by
from dispatcher.cli.console import format_time, print_json, print_line, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.cli.status_words import status_label
from dispatcher.domain.duration import format_duration
from dispatcher.domain.hours.local_time import format_instant
from dispatcher.domain.messages.waits import Wait
from dispatcher.service.context import Context
from dispatcher.service.health.readiness import lanes
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.lookup import LookedUp, look_up
from dispatcher.service.messages.search import Event, History
from dispatcher.service.messages.wait_words import all_waits, cause_of, length, present_wait
from dispatcher.service.routing import routes

_SHOWN = (
    "id", "public_id", "account", "dialect", "number", "tier", "status", "place", "wake_at", "not_before",
    "not_after", "segments", "charged", "attempt", "deferrals", "doubts", "provider", "reason", "paused",
    "closes_at", "country", "sender", "is_test", "batch_id", "batch_public_id", "timezone",
)  # fmt: skip
"""The fields of a message in --json."""


def register(app: typer.Typer) -> None:
    """Register the commands."""
    message = typer.Typer(
        help="Show what happened to a message, and change unsent messages.", no_args_is_help=True
    )
    message.command("show")(show)
    edits.register(message)
    app.add_typer(message, name="message")


def show(
    typed: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Any id of it: its number, its public id, that of its batch, an external id, a provider's.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show the history of a message, where it is now, why, and what it waited for; or a batch's messages."""

    async def work(ctx: Context) -> tuple[LookedUp, Sequence[str]]:
        found = await look_up(ctx, typed)
        if found.history is None:
            return found, ()
        route = routes.route_sentence(ctx, found.history.message)
        return found, explain(found.history, now=ctx.now(), consumed=await lanes(ctx), route=route)

    found, explanation = run_with_context(data, work)
    if found.history is None:
        print_batch(found, typed, as_json=as_json)
    elif as_json:
        print_json({**_whole(found.history, explanation), "found_by": found.match.kind})
    else:
        print_found_by(found, typed)
        _print(found.history, explanation)


def _print(history: History, explanation: Sequence[str]) -> None:
    print_facts(_facts(history))
    zone = history.message.timezone
    times = ("at (UTC)",) if zone == "UTC" else ("at (UTC)", f"in {zone}")
    print_line("")
    columns = ("seq", *times, "status", "try", "provider", "reason")
    print_table(columns, [_row(event, zone) for event in history.events], numbers=("seq", "try"))
    if history.waits:
        print_line("")
        rows = [_wait_row(wait, history) for wait in history.waits]
        print_table(("waited from (UTC)", "until (UTC)", "for", "because"), rows)
    print_line("")
    for sentence in explanation:
        print_line(sentence)


def _facts(history: History) -> Mapping[str, object]:
    message = history.message
    place = f", {message.place}" if message.place else ""
    start, end = (format_instant(at, message.timezone) for at in (message.not_before, message.not_after))
    return {
        "message": f"{message.id} ({message.public_id})",
        "status": f"{status_label(message.status)}{place}",
        "account": f"{message.account}, through {message.dialect}",
        "batch": f"{message.batch_id} ({message.batch_public_id})",
        "number": message.number,
        "tier": message.tier,
        "window": f"{start} to {end}",
        "segments": f"{message.segments}, {message.charged} charged",
    }


def _row(event: Event, zone: str) -> Sequence[object]:
    return (
        event.seq,
        event.at,
        *(() if zone == "UTC" else (format_time(event.at.astimezone(ZoneInfo(zone))),)),
        status_label(event.status),
        event.attempt or "",
        event.provider or "",
        event.reason,
    )


def _wait_row(wait: Wait, history: History) -> Sequence[object]:
    return wait.since, wait.until, format_duration(length(wait)), cause_of(wait, history)


def _whole(history: History, explanation: Sequence[str]) -> dict[str, object]:
    message, present = history.message, present_wait(history)
    return {
        **{name: getattr(message, name) for name in _SHOWN},
        "status_name": status_label(message.status),
        "events": [asdict(event) for event in history.events],
        "waits_for": None if present is None else cause_of(present, history),
        "waits": [
            {"kind": wait.kind, "since": wait.since, "until": wait.until, "cause": cause_of(wait, history)}
            for wait in all_waits(history)
        ],
        "explanation": " ".join(explanation),
    }
