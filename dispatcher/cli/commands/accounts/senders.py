"""`dispatcher sender`: the sender IDs that an account may use."""

from dataclasses import asdict
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, Data
from dispatcher.cli.console import print_json, print_line, print_table
from dispatcher.cli.session import run_with_account
from dispatcher.service.accounts import accounts


def register(app: typer.Typer) -> None:
    """Register the commands."""
    sender = typer.Typer(help="Sender IDs of accounts.", no_args_is_help=True)
    sender.command("add")(add_sender)
    sender.command("list")(list_senders)
    app.add_typer(sender, name="sender")


def add_sender(
    name: AccountName,
    sender: Annotated[str, typer.Argument(help="The sender ID as recipients see it.", show_default=False)],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Add a sender ID to an account; the first one is its default."""
    number = run_with_account(data, name, lambda ctx, account: accounts.add_sender(ctx, account, sender))
    if as_json:
        print_json({"id": number, "account": name, "name": sender})
    else:
        print_line(f"sender {number} of {name} is {sender}")


def list_senders(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """List an account's senders."""
    found = run_with_account(data, name, accounts.list_senders)
    if as_json:
        print_json([asdict(sender) for sender in found])
    else:
        rows = [(s.id, s.name, "yes" if s.is_default else "", s.disabled_at) for s in found]
        print_table(("id", "name", "default", "disabled"), rows, numbers=("id",))
