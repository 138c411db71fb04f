"""`dispatcher key`: the credentials of an account, each shown once."""

from datetime import timedelta
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, CredentialId, Data, DaysOption, KeyLabel
from dispatcher.cli.commands.accounts import credential_output
from dispatcher.cli.console import print_json, print_line
from dispatcher.cli.session import run_with_account
from dispatcher.domain.accounts.account import Account
from dispatcher.local.dialect_credentials import CREDENTIALS, CredentialUse, credential_fields
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.service.context import Context


def add(app: typer.Typer) -> None:
    """Register the commands."""
    key = typer.Typer(help="Keys of accounts.", no_args_is_help=True)
    key.command("create")(create)
    key.command("list")(list_keys)
    key.command("revoke")(revoke)
    app.add_typer(key, name="key")


def create(
    name: AccountName,
    door: Annotated[
        CredentialUse, typer.Option("--for", help="Which door it opens.")
    ] = CredentialUse.SCHEDULER,
    label: KeyLabel = None,
    days: DaysOption = None,
    is_test: Annotated[
        bool, typer.Option("--test", help="What it sends costs nothing and reaches no phone.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make a key. It is printed now, and can never be shown again.

    A key for emess, formpost or smsgate has two parts; --name chooses the
    first, which else is made up.
    """
    lock, validity = CREDENTIALS[door], None if days is None else timedelta(days=days)

    async def story(ctx: Context, account: Account) -> NewKey:
        return await credentials.create(
            ctx, account, lock.kind, dialect=lock.dialect, name=label, validity=validity, is_test=is_test
        )

    made = run_with_account(data, name, story)
    words = credential_fields(door, made)
    if as_json:
        told = {"id": made.id, "account": name, "for": door, "test": is_test, "expires_at": made.expires_at}
        print_json({**told, **words})
    else:
        kind = "Test key" if is_test else "Key"
        credential_output.print_new(f"{kind} {made.id} of {name} for {door}", words, made.expires_at)


def list_keys(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """List an account's keys, revoked ones too, without what is secret of them."""
    found = run_with_account(data, name, credential_output.fetch_all)
    credential_output.print_all(found, as_json)


def revoke(name: AccountName, key_id: CredentialId, as_json: AsJson = False, data: Data = None) -> None:
    """Revoke a key, at once; the tokens given out for it are no good any more either."""
    run_with_account(data, name, lambda ctx, account: credentials.revoke(ctx, account, key_id))
    if as_json:
        print_json({"id": key_id, "account": name, "revoked": True})
    else:
        print_line(f"key {key_id} of {name} is revoked")
