"""`dispatcher key`: the credentials of an account; each is shown once."""

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


def register(app: typer.Typer) -> None:
    """Register the commands."""
    key = typer.Typer(help="API keys and other credentials of accounts.", no_args_is_help=True)
    key.command("create")(create)
    key.command("list")(list_keys)
    key.command("revoke")(revoke)
    app.add_typer(key, name="key")


def create(
    name: AccountName,
    use: Annotated[
        CredentialUse, typer.Option("--for", help="The dialect and kind of credential.")
    ] = CredentialUse.SCHEDULER,
    label: KeyLabel = None,
    days: DaysOption = None,
    is_test: Annotated[
        bool,
        typer.Option("--test", help="Its messages cost nothing, and go only to providers that take tests."),
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Create a key. It is printed now, and cannot be shown again.

    A key for emess, formpost or smsgate has two parts; --name chooses the
    first, which is generated otherwise.
    """
    credential, validity = CREDENTIALS[use], None if days is None else timedelta(days=days)

    async def work(ctx: Context, account: Account) -> NewKey:
        return await credentials.create(
            ctx,
            account,
            credential.kind,
            dialect=credential.dialect,
            name=label,
            validity=validity,
            is_test=is_test,
        )

    created = run_with_account(data, name, work)
    fields = credential_fields(use, created)
    if as_json:
        facts = {
            "id": created.id,
            "account": name,
            "for": use,
            "test": is_test,
            "expires_at": created.expires_at,
        }
        print_json({**facts, **fields})
    else:
        kind = "Test key" if is_test else "Key"
        credential_output.print_new(f"{kind} {created.id} of {name} for {use}", fields, created.expires_at)


def list_keys(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """List an account's keys, including revoked ones, without their secrets."""
    found = run_with_account(data, name, credential_output.fetch_all)
    credential_output.print_all(found, as_json)


def revoke(name: AccountName, key_id: CredentialId, as_json: AsJson = False, data: Data = None) -> None:
    """Revoke a key and the tokens issued for it, at once."""
    run_with_account(data, name, lambda ctx, account: credentials.revoke(ctx, account, key_id))
    if as_json:
        print_json({"id": key_id, "account": name, "revoked": True})
    else:
        print_line(f"key {key_id} of {name} is revoked")
