"""`dispatcher inbound`: messages from handsets."""

from dataclasses import asdict
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, Before, Data, Limit
from dispatcher.cli.console import format_time, print_json, print_line, print_note, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.cli.values import read_id
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.inbound import messages
from dispatcher.service.inbound.messages import FoundInbound

_NOBODY = "nobody"


def register(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(help="Messages from handsets.", no_args_is_help=True)
    group.command("list")(list_inbound)
    group.command("show")(show)
    app.add_typer(group, name="inbound")


def list_inbound(
    account: Annotated[
        str | None, typer.Option("--account", help="The account. Default: all accounts.")
    ] = None,
    number: Annotated[str | None, typer.Option("--number", help="The number that sent them.")] = None,
    limit: Limit = 50,
    before: Before = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List inbound messages without their texts, the newest first."""

    async def work(ctx: Context) -> list[FoundInbound]:
        owner = None if account is None else await accounts.find(ctx, account)
        return await messages.page(ctx, account=owner, number=number, before=before, limit=limit)

    found = run_with_context(data, work)
    if as_json:
        print_json([asdict(message) for message in found])
        return
    rows = [
        (
            str(message.id),
            message.received_at,
            message.number,
            message.recipient,
            message.account or _NOBODY,
            message.action or "",
            _parts(message),
        )
        for message in found
    ]
    print_table(("id", "received (UTC)", "from", "to", "account", "action", "parts"), rows, numbers=("id",))
    if len(found) == limit:
        print_note(f"There may be more: --before {found[-1].id}")


def show(
    inbound_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its number or public id.", show_default=False)
    ],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show an inbound message with its text."""
    name = read_id(inbound_id)
    found = run_with_context(data, lambda ctx: messages.find(ctx, name, with_text=True))
    if as_json:
        print_json(asdict(found))
        return
    facts = {
        "message": f"{found.id} ({found.public_id})",
        "from": found.number,
        "to": f"{found.recipient}, {found.account or _NOBODY}'s",
        "provider": f"{found.provider}, {found.ref or 'no reference'}",
        "sent": "unknown" if found.sent_at is None else f"{format_time(found.sent_at)} UTC",
        "received": f"{format_time(found.received_at)} UTC",
        "parts": _parts(found) or "1",
        "action": found.action or "none",
        "text": _printable(found.text or ""),
    }
    for fact, value in facts.items():
        print_line(f"{fact:<10} {value}")


def _parts(message: FoundInbound) -> str:
    """Return how many parts a message has and which are missing; nothing for one that came whole."""
    if not message.missing_parts:
        return str(message.parts) if message.parts > 1 else ""
    missing = ", ".join(map(str, message.missing_parts))
    return f"{message.parts - len(message.missing_parts)} of {message.parts}, without {missing}"


def _printable(text: str) -> str:
    """Return a text with control characters escaped: anybody can send them to our terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
