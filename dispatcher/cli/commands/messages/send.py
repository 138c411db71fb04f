"""`dispatcher send`: submits a message, and with --wait follows it to its end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.console import own_command, print_json, print_line, print_note, print_table
from dispatcher.cli.session import find_account, run_with_context
from dispatcher.cli.status_words import status_label
from dispatcher.cli.times import read_time
from dispatcher.cli.values import read_text
from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.hours.local_time import format_instant
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import AcceptedBatch, AcceptedMessage, Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.health.readiness import lanes
from dispatcher.service.messages import search
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.search import History
from dispatcher.service.routing import routes
from dispatcher.service.submissions.submit import submit

DIALECT = "cli"
_POLL = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True)
class FollowedMessage:
    """A message that was followed, and an explanation of where it is."""

    history: History
    explanation: Sequence[str]


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(send)


def send(
    to: Annotated[
        list[str], typer.Option(metavar="NUMBER", help="The recipient; may be repeated.", show_default=False)
    ],
    text: Annotated[str, typer.Option(help='The text; "-" reads standard input.', show_default=False)],
    account: Annotated[
        str | None, typer.Option(help="The account; may be left out if there is only one.")
    ] = None,
    tier: Annotated[Tier | None, typer.Option(help="Default: standard; bulk above 200 recipients.")] = None,
    not_before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Send from this time on; also +90s, +2h.")
    ] = None,
    not_after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Send before this time; also +90s, +2h.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Sender ID, by name or number.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the receipt; exit 1 if a message was not received.")
    ] = False,
    timeout: Annotated[int, typer.Option(min=0, max=604_800, help="Seconds that --wait waits at most.")] = 60,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Send a text to one or more numbers, now or later."""
    content = read_text(text)

    async def work(ctx: Context) -> tuple[AcceptedBatch, Sequence[FollowedMessage]]:
        owner = await find_account(ctx, account)
        submission = Submission(
            recipients=to,
            text=content,
            numbers=_numbers(ctx, owner),
            tier=tier,
            sender_id=await _sender(ctx, owner, sender),
            not_before=_time(ctx, owner, not_before, "--not-before"),
            not_after=_time(ctx, owner, not_after, "--not-after"),
        )
        batch = await submit(ctx, Caller(owner, DIALECT), submission)
        ids = [message.id for message in batch.messages]
        return batch, await _follow(ctx, ids, timedelta(seconds=timeout)) if wait else ()

    batch, followed = run_with_context(data, work)
    _print(batch, followed, as_json)
    if wait and any(each.history.message.status is not Status.RECEIVED for each in followed):
        raise typer.Exit(1)


def _numbers(ctx: Context, account: Account) -> NumberPolicy:
    return NumberPolicy(
        default_country=account.default_country,
        national=account.default_country is not None,
        lenient=True,
        simulated=ctx.settings.simulated_numbers,
    )


async def _sender(ctx: Context, account: Account, requested: str | None) -> int | None:
    """Return the id of a sender given by name or id; None, the account's default, if none is named."""
    if requested is None:
        return None
    return await accounts.find_sender(ctx, account, requested)


def _time(ctx: Context, account: Account, text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    return read_time(text, now=ctx.now(), timezone=account.timezone, option=option)


async def _follow(ctx: Context, ids: Sequence[int], timeout: timedelta) -> Sequence[FollowedMessage]:
    """Return the messages when all have ended or the time is over, and print each step meanwhile."""
    until = ctx.now() + timeout
    printed: dict[int, int] = {}
    while True:
        histories = [await search.history(ctx, message_id) for message_id in ids]
        for history in histories:
            _print_new_events(history, printed)
        if all(map(_is_over, histories)) or ctx.now() >= until:
            break
        await asyncio.sleep(_POLL.total_seconds())
    consumed = await lanes(ctx)
    return [
        FollowedMessage(
            h, explain(h, now=ctx.now(), consumed=consumed, route=routes.route_sentence(ctx, h.message))
        )
        for h in histories
    ]


def _print_new_events(history: History, printed: dict[int, int]) -> None:
    message_id = history.message.id
    for event in history.events[printed.get(message_id, 0) :]:
        at = format_instant(event.at, history.message.timezone)
        print_note(f"{at}  {message_id}  {status_label(event.status)}  {event.reason}")
    printed[message_id] = len(history.events)


def _is_over(history: History) -> bool:
    """Return whether nothing more will happen: it has ended, or the time for its receipt is over."""
    message = history.message
    return message.status.is_final or (message.status is Status.SENT and message.wake_at is None)


def _print(batch: AcceptedBatch, followed: Sequence[FollowedMessage], as_json: bool) -> None:
    statuses = {each.history.message.id: each.history.message.status for each in followed}
    now = [(message, statuses.get(message.id, message.status)) for message in batch.messages]
    if as_json:
        print_json(_batch(batch) | {"messages": [_message(message, status) for message, status in now]})
        return
    rows = [(str(message.id), message.number_as_given, status_label(status)) for message, status in now]
    print_table(("id", "number", "status"), rows, numbers=("id",))
    for each in followed:
        if each.history.message.status is not Status.RECEIVED:
            print_line(f"{each.history.message.id}: {' '.join(each.explanation)}")
    if not followed:
        print_note(f"Look it up with: {own_command()} message show {batch.messages[0].id}")


def _batch(batch: AcceptedBatch) -> dict[str, object]:
    return {
        "batch_id": batch.id,
        "public_id": batch.public_id,
        "tier": batch.tier,
        "charged": batch.charged,
        "not_before": batch.window.not_before,
        "not_after": batch.window.not_after,
    }


def _message(message: AcceptedMessage, status: Status) -> dict[str, object]:
    return {
        "id": message.id,
        "public_id": message.public_id,
        "number": message.number_as_given,
        "status": int(status),
        "status_name": status_label(status),
    }
