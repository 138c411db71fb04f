"""`dispatcher account`, `key` and `sender`: who may send, with what, under which name."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from dispatcher.cli.options import AsJson, Data
from dispatcher.cli.output import note, print_json, print_table, say, stamp
from dispatcher.cli.session import visit
from dispatcher.domain.credential import CredentialKind
from dispatcher.domain.submission import Account
from dispatcher.service import accounts, credentials
from dispatcher.service.context import Context
from dispatcher.service.credentials import NewKey
from dispatcher.store.accounts import Sender


class KeyKind(StrEnum):
    """What a key is for, as people name it."""

    SCHEDULER = "scheduler"  # the SMS Scheduler API
    BEARER = "bearer"  # the same, by how it is shown


_KINDS = {KeyKind.SCHEDULER: CredentialKind.BEARER, KeyKind.BEARER: CredentialKind.BEARER}

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.", show_default=False)]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    account = typer.Typer(help="Accounts and their credits.", no_args_is_help=True)
    account.command("create")(create_account)
    account.command("topup")(top_up)
    account.command("list")(list_accounts)
    account.command("show")(show_account)
    app.add_typer(account, name="account")
    key = typer.Typer(help="Keys of accounts.", no_args_is_help=True)
    key.callback()(_nothing)
    key.command("create")(create_key)
    app.add_typer(key, name="key")
    sender = typer.Typer(help="Sender IDs of accounts.", no_args_is_help=True)
    sender.command("add")(add_sender)
    sender.command("list")(list_senders)
    app.add_typer(sender, name="sender")


def create_account(
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
    made = visit(
        data, lambda ctx: accounts.create(ctx, name, credits=credits, country=country, timezone=timezone)
    )
    _print_account(made, (), as_json)


def top_up(
    name: Name,
    amount: Annotated[int, typer.Argument(help="How many credits to add.", show_default=False)],
    reason: Annotated[str, typer.Option("--note", help="Why, for the ledger.")] = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Add credits to an account."""

    async def story(ctx: Context) -> int:
        return await accounts.top_up(ctx, await accounts.find(ctx, name), amount, note=reason)

    balance = visit(data, story)
    if as_json:
        print_json({"name": name, "balance": balance})
    else:
        say(f"{name} has {balance:,} credits now")


def list_accounts(as_json: AsJson = False, data: Data = None) -> None:
    """List all accounts."""
    found = visit(data, accounts.every)
    if as_json:
        print_json([_account(account) for account in found])
    else:
        rows = [(a.id, a.name, a.balance, a.default_country, a.timezone) for a in found]
        print_table(("id", "name", "credits", "country", "time zone"), rows, numbers=("id", "credits"))


def show_account(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """Show an account with its senders."""

    async def story(ctx: Context) -> tuple[Account, list[Sender]]:
        account = await accounts.find(ctx, name)
        return account, await accounts.senders(ctx, account)

    account, senders = visit(data, story)
    _print_account(account, senders, as_json)


def create_key(
    name: Name,
    kind: Annotated[KeyKind, typer.Option(help="Which door it opens.")] = KeyKind.SCHEDULER,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="How long it is good for. Default: no end.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make a key. It is printed now, and can never be shown again."""
    validity = None if days is None else timedelta(days=days)

    async def story(ctx: Context) -> NewKey:
        account = await accounts.find(ctx, name)
        return await credentials.create(ctx, account, _KINDS[kind], dialect="scheduler", validity=validity)

    key = visit(data, story)
    if as_json:
        print_json(
            {"id": key.id, "account": name, "kind": kind, "key": key.secret, "expires_at": key.expires_at}
        )
        return
    until = "with no end" if key.expires_at is None else f"good until {stamp(key.expires_at)} UTC"
    note(f"Key {key.id} of {name}, {until}. Keep it: it cannot be shown again.")
    say(key.secret)


def add_sender(
    name: Name,
    sender: Annotated[str, typer.Argument(help="What recipients see.", show_default=False)],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Add a sender ID to an account; the first one is its default."""

    async def story(ctx: Context) -> int:
        return await accounts.add_sender(ctx, await accounts.find(ctx, name), sender)

    number = visit(data, story)
    if as_json:
        print_json({"id": number, "account": name, "name": sender})
    else:
        say(f"sender {number} of {name} is {sender}")


def list_senders(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """List an account's senders."""

    async def story(ctx: Context) -> list[Sender]:
        return await accounts.senders(ctx, await accounts.find(ctx, name))

    found = visit(data, story)
    if as_json:
        print_json([_sender(sender) for sender in found])
    else:
        rows = [(s.id, s.name, "yes" if s.is_default else "", s.disabled_at) for s in found]
        print_table(("id", "name", "default", "disabled"), rows, numbers=("id",))


def _print_account(account: Account, senders: list[Sender] | tuple[()], as_json: bool) -> None:
    if as_json:
        print_json(_account(account) | {"senders": [_sender(sender) for sender in senders]})
        return
    country = account.default_country or "no default country"
    say(f"{account.name}: {account.balance:,} credits, {country}, times in {account.timezone}")
    for sender in senders:
        state = "disabled" if sender.disabled_at else "default" if sender.is_default else ""
        say(f"  sender {sender.id}: {sender.name} {state}".rstrip())


def _account(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "balance": account.balance,
        "country": account.default_country,
        "timezone": account.timezone,
    }


def _sender(sender: Sender) -> dict[str, object]:
    return {
        "id": sender.id,
        "name": sender.name,
        "default": sender.is_default,
        "disabled_at": sender.disabled_at,
    }


def _nothing() -> None:
    """Keep `dispatcher key` a group while it has one command."""
