"""`dispatcher account`: accounts, their limits and their credits."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, Before, Data, Limit
from dispatcher.cli.commands.accounts.hours import account_hours
from dispatcher.cli.console import print_json, print_line, print_table
from dispatcher.cli.session import run_with_account, run_with_context
from dispatcher.cli.values import read_whole_number, updated
from dispatcher.domain.accounts.account import Account, AccountLimits
from dispatcher.domain.errors import Invalid
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.store.accounts.accounts import Sender


def add(app: typer.Typer) -> None:
    """Register the commands."""
    account = typer.Typer(help="Accounts, their credits and limits.", no_args_is_help=True)
    account.command("create")(create)
    account.command("topup")(top_up)
    account.command("limit")(limit)
    account.command("hours")(account_hours)
    account.command("pause")(pause)
    account.command("resume")(resume)
    account.command("list")(list_accounts)
    account.command("show")(show)
    account.command("statement")(statement)
    app.add_typer(account, name="account")


def create(
    name: Annotated[str, typer.Argument(help="The new account's name.", show_default=False)],
    credits: Annotated[int, typer.Option(help="How many it starts with; a segment costs one.")] = 0,
    country: Annotated[
        str | None, typer.Option(metavar="CC", help="Whose local numbers it may write.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="TZ", help="Of the times it writes without one.")] = "UTC",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make an account."""
    made = run_with_context(
        data, lambda ctx: accounts.create(ctx, name, credits=credits, country=country, timezone=timezone)
    )
    _print(made, as_json)


def top_up(
    name: AccountName,
    amount: Annotated[int, typer.Argument(help="How many credits to add.", show_default=False)],
    reason: Annotated[str, typer.Option("--note", help="Why, for the ledger.")] = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Add credits to an account."""
    balance = run_with_account(
        data, name, lambda ctx, account: accounts.top_up(ctx, account, amount, note=reason)
    )
    if as_json:
        print_json({"name": name, "balance": balance})
    else:
        print_line(f"{name} has {balance:,} credits now")


def limit(
    name: AccountName,
    rate: Annotated[
        str | None, typer.Option(metavar="N", help="Requests a minute, for each of its keys.")
    ] = None,
    daily: Annotated[str | None, typer.Option(metavar="N", help="Messages a UTC day.")] = None,
    tier: Annotated[
        str | None, typer.Option(metavar="TIER", help="The highest it gets: critical, standard or bulk.")
    ] = None,
    countries: Annotated[
        str | None, typer.Option(metavar="CC,CC", help="The only ones it may write to.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Say what an account may not do. What is not named stays as it is; the word `none` lifts a limit."""
    if (rate, daily, tier, countries) == (None,) * 4:
        raise Invalid("nothing to change: give --rate, --daily, --tier or --countries")

    async def story(ctx: Context, account: Account) -> Account:
        kept = account.limits
        limits = AccountLimits(
            rate=updated(kept.rate, rate, partial(read_whole_number, "--rate")),
            daily=updated(kept.daily, daily, partial(read_whole_number, "--daily")),
            tier=updated(kept.tier, tier, _tier),
            countries=updated(kept.countries, countries, _countries),
        )
        return await accounts.set_limits(ctx, account, limits)

    _print(run_with_account(data, name, story), as_json)


def pause(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """Refuse what an account submits from now on. What was accepted goes on."""
    _print(run_with_account(data, name, accounts.pause), as_json)


def resume(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """Take again what a paused account submits."""
    _print(run_with_account(data, name, partial(accounts.pause, paused=False)), as_json)


def list_accounts(as_json: AsJson = False, data: Data = None) -> None:
    """List all accounts."""
    found = run_with_context(data, accounts.every)
    if as_json:
        print_json([asdict(account) for account in found])
    else:
        rows = [
            (a.id, a.name, a.balance, a.default_country, a.timezone, "yes" if a.paused else "") for a in found
        ]
        columns = ("id", "name", "credits", "country", "time zone", "paused")
        print_table(columns, rows, numbers=("id", "credits"))


def show(
    name: AccountName,
    secret: Annotated[
        bool, typer.Option("--secret", help="Also what its callbacks are signed with.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show an account with its limits and senders."""

    async def story(ctx: Context, account: Account) -> tuple[Account, list[Sender], str | None]:
        signs = await accounts.callback_secret(ctx, account) if secret else None
        return account, await accounts.senders(ctx, account), signs

    account, senders, signs = run_with_account(data, name, story)
    _print(account, as_json, senders=senders, secret=signs)


def statement(
    name: AccountName, limit: Limit = 100, before: Before = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Tell what changed an account's credits, the newest first."""
    entries = run_with_account(
        data, name, lambda ctx, account: accounts.statement(ctx, account, before=before, limit=limit)
    )
    if as_json:
        print_json([asdict(entry) for entry in entries])
    else:
        rows = [
            (str(e.id), e.at, e.kind, e.amount, _cause(e.batch_id, e.message_id), e.note) for e in entries
        ]
        columns = ("id", "at (UTC)", "what", "credits", "of", "note")
        print_table(columns, rows, numbers=("id", "credits"))


def _cause(batch_id: int | None, message_id: int | None) -> str:
    if message_id is not None:
        return f"message {message_id}"
    return "-" if batch_id is None else f"batch {batch_id}"


def _tier(given: str) -> Tier:
    try:
        return Tier(given)
    except ValueError:
        raise Invalid(
            f"--tier {given!r} is none: give {', '.join(Tier)}, or none to lift the limit"
        ) from None


def _countries(given: str) -> frozenset[str]:
    return frozenset(country.strip() for country in given.split(","))


def _print(
    account: Account, as_json: bool, *, senders: Sequence[Sender] = (), secret: str | None = None
) -> None:
    if as_json:
        told = {} if secret is None else {"callback_secret": secret}
        print_json({**asdict(account), **told, "senders": [asdict(sender) for sender in senders]})
        return
    country = account.default_country or "no default country"
    print_line(f"{account.name}: {account.balance:,} credits, {country}, times in {account.timezone}")
    if account.paused:
        print_line("  paused: what it submits is refused")
    if limits := _limits(account.limits):
        print_line(f"  limits: {limits}")
    if secret is not None:
        print_line(f"  callbacks are signed with {secret}")
    for sender in senders:
        state = "disabled" if sender.disabled_at else "default" if sender.is_default else ""
        print_line(f"  sender {sender.id}: {sender.name} {state}".rstrip())


def _limits(limits: AccountLimits) -> str:
    told = []
    if limits.rate is not None:
        told.append(f"{limits.rate:,} requests a minute")
    if limits.daily is not None:
        told.append(f"{limits.daily:,} messages a day")
    if limits.tier is not None:
        told.append(f"no tier above {limits.tier}")
    if limits.countries is not None:
        told.append(f"only to {', '.join(sorted(limits.countries))}")
    return "; ".join(told)
