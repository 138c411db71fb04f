"""`dispatcher operator`: logins of operators for the console, and tokens for their programs."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, CredentialId, Data, DaysOption, KeyLabel
from dispatcher.cli.commands.accounts import credential_output
from dispatcher.cli.console import print_json, print_line
from dispatcher.cli.session import run_with_context
from dispatcher.cli.values import read_single_line
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials, operators


def register(app: typer.Typer) -> None:
    """Register the commands."""
    operator = typer.Typer(help="Operators; they see all accounts.", no_args_is_help=True)
    operator.command("create")(create)
    operator.command("token")(token)
    operator.command("list")(list_operators)
    operator.command("revoke")(revoke)
    app.add_typer(operator, name="operator")


def create(
    name: Annotated[str, typer.Argument(help="The name to log in with.", show_default=False)],
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the password. Default: prompt for it.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Create an operator's login for the console."""
    password = _prompt_for_password() if password_file is None else read_single_line(password_file)
    operator_id = run_with_context(data, lambda ctx: operators.create(ctx, name, password))
    if as_json:
        print_json({"id": operator_id, "name": name})
    else:
        print_line(f"operator {operator_id} is {name}")


def token(
    label: KeyLabel = None,
    days: DaysOption = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Create a bearer token for /manage/v1. It is printed now, and cannot be shown again."""
    validity = None if days is None else timedelta(days=days)
    created = run_with_context(
        data,
        lambda ctx: credentials.create(
            ctx, None, CredentialKind.BEARER, dialect=credentials.MANAGE, name=label, validity=validity
        ),
    )
    if as_json:
        print_json({"id": created.id, "token": created.secret, "expires_at": created.expires_at})
    else:
        credential_output.print_new(
            f"Operator's token {created.id}", {"token": created.secret}, created.expires_at
        )


def list_operators(as_json: AsJson = False, data: Data = None) -> None:
    """List the operators' logins and tokens, including revoked ones."""
    found = run_with_context(data, lambda ctx: credential_output.fetch_all(ctx, None))
    credential_output.print_all(found, as_json)


def revoke(operator_id: CredentialId, as_json: AsJson = False, data: Data = None) -> None:
    """Revoke a login or token, at once."""
    run_with_context(data, lambda ctx: credentials.revoke(ctx, None, operator_id))
    if as_json:
        print_json({"id": operator_id, "revoked": True})
    else:
        print_line(f"operator {operator_id} is revoked")


def _prompt_for_password() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
