"""`dispatcher message`: one message's history, where it is and why; and changing what waits."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from dispatcher.cli import edits
from dispatcher.cli.options import AsJson, Data
from dispatcher.cli.output import print_json, print_table, say, stamp
from dispatcher.cli.session import visit
from dispatcher.cli.words import title
from dispatcher.service import report, routes
from dispatcher.service.context import Context
from dispatcher.service.explain import explain
from dispatcher.service.health import lanes
from dispatcher.service.report import History
from dispatcher.store.reports import Event


def add(app: typer.Typer) -> None:
    """Register the commands."""
    message = typer.Typer(
        help="What became of messages, and what is still to become of them.", no_args_is_help=True
    )
    message.command("show")(show)
    edits.add(message)
    app.add_typer(message, name="message")


def show(
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its number, or its public id.", show_default=False)
    ],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show a message, step by step, and say where it is and why."""

    async def story(ctx: Context) -> tuple[History, Sequence[str]]:
        history = await report.history(ctx, message_id)
        return history, explain(
            history,
            now=ctx.now(),
            consumed=await lanes(ctx),
            route=routes.sentence(ctx, history.detail),
        )

    history, explanation = visit(data, story)
    if as_json:
        print_json(_whole(history, explanation))
        return
    for name, value in _facts(history).items():
        say(f"{name:<10} {value}")
    say("")
    columns = ("seq", "at (UTC)", "status", "try", "provider", "reason")
    print_table(columns, map(_row, history.events), numbers=("seq", "try"))
    say("")
    for sentence in explanation:
        say(sentence)


def _facts(history: History) -> Mapping[str, object]:
    detail = history.detail
    place = f", {detail.place}" if detail.place else ""
    return {
        "message": f"{detail.id} ({detail.public_id})",
        "status": f"{title(detail.status)}{place}",
        "account": f"{detail.account}, through {detail.dialect}",
        "number": detail.number,
        "tier": detail.tier,
        "window": f"{stamp(detail.not_before)} to {stamp(detail.not_after)} UTC",
        "segments": f"{detail.segments}, {detail.charged} charged",
    }


def _row(event: Event) -> Sequence[object]:
    return (event.seq, event.at, title(event.status), event.attempt or "", event.provider or "", event.reason)


def _whole(history: History, explanation: Sequence[str]) -> dict[str, object]:
    detail = history.detail
    return {
        **asdict(detail),
        "status_name": title(detail.status),
        "events": [asdict(event) for event in history.events],
        "explanation": " ".join(explanation),
    }
