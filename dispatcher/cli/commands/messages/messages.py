"""`dispatcher message`: a message's history and where it is now; and edits of unsent messages."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.commands.messages import edits
from dispatcher.cli.console import format_time, print_json, print_line, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.cli.status_words import status_label
from dispatcher.cli.values import read_id
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.service.context import Context
from dispatcher.service.health import lanes
from dispatcher.service.messages import search
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.search import Event, History
from dispatcher.service.routing import routes

_SHOWN = (
    "id", "public_id", "account", "dialect", "number", "tier", "status", "place", "wake_at", "not_before",
    "not_after", "segments", "charged", "attempt", "deferrals", "doubts", "provider", "reason", "paused",
    "closes_at", "country", "sender", "is_test",
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
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its number or public id.", show_default=False)
    ],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show the history of a message, where it is now, and why."""

    async def work(ctx: Context) -> tuple[History, Sequence[str]]:
        history = await search.history(ctx, _read(message_id))
        return history, explain(
            history,
            now=ctx.now(),
            consumed=await lanes(ctx),
            route=routes.route_sentence(ctx, history.message),
        )

    history, explanation = run_with_context(data, work)
    if as_json:
        print_json(_whole(history, explanation))
        return
    for name, value in _facts(history).items():
        print_line(f"{name:<10} {value}")
    print_line("")
    columns = ("seq", "at (UTC)", "status", "try", "provider", "reason")
    print_table(columns, map(_row, history.events), numbers=("seq", "try"))
    print_line("")
    for sentence in explanation:
        print_line(sentence)


def _read(message_id: str) -> int | UUID:
    try:
        return read_id(message_id)
    except Invalid:
        raise NotFound(f"{message_id!r} is neither a message's number nor its public id") from None


def _facts(history: History) -> Mapping[str, object]:
    message = history.message
    place = f", {message.place}" if message.place else ""
    return {
        "message": f"{message.id} ({message.public_id})",
        "status": f"{status_label(message.status)}{place}",
        "account": f"{message.account}, through {message.dialect}",
        "number": message.number,
        "tier": message.tier,
        "window": f"{format_time(message.not_before)} to {format_time(message.not_after)} UTC",
        "segments": f"{message.segments}, {message.charged} charged",
    }


def _row(event: Event) -> Sequence[object]:
    return (
        event.seq,
        event.at,
        status_label(event.status),
        event.attempt or "",
        event.provider or "",
        event.reason,
    )


def _whole(history: History, explanation: Sequence[str]) -> dict[str, object]:
    message = history.message
    return {
        **{name: getattr(message, name) for name in _SHOWN},
        "status_name": status_label(message.status),
        "events": [asdict(event) for event in history.events],
        "explanation": " ".join(explanation),
    }
