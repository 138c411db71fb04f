"""`dispatcher webhook`: the URLs that an account has registered, and those that were switched off."""

import shlex
from dataclasses import asdict
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, Data
from dispatcher.cli.console import print_json, print_line, print_table
from dispatcher.cli.session import run_with_account
from dispatcher.service.callbacks import webhooks
from dispatcher.service.callbacks.webhooks import Webhook


def register(app: typer.Typer) -> None:
    """Register the commands."""
    webhook = typer.Typer(help="URLs that accounts have registered for events.", no_args_is_help=True)
    webhook.command("list")(list_webhooks)
    webhook.command("enable")(enable)
    app.add_typer(webhook, name="webhook")


def list_webhooks(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """List an account's webhooks in all dialects, with the reason of each that is switched off."""
    found = run_with_account(data, name, webhooks.every_dialect)
    if as_json:
        print_json([_fields(webhook) for webhook in found])
        return
    rows = [(w.dialect, w.id, w.event, w.url, _state(w)) for w in found]
    print_table(("dialect", "id", "event", "URL", "state"), rows)
    for webhook in found:
        if webhook.disabled_reason is not None:
            print_line(f"{webhook.id} was switched off: {webhook.disabled_reason}")
            print_line(
                f"  to switch it on: {shlex.join(['dispatcher', 'webhook', 'enable', name, webhook.id])}"
            )


def enable(
    name: AccountName,
    webhook_id: Annotated[
        str, typer.Argument(metavar="ID", help="The webhook's id, see `list`.", show_default=False)
    ],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Call a webhook again that was switched off."""
    found = run_with_account(data, name, lambda ctx, account: webhooks.enable(ctx, account, webhook_id))
    if as_json:
        print_json([_fields(webhook) for webhook in found])
        return
    for webhook in found:
        print_line(f"webhook {webhook.id} of {name} ({webhook.dialect}) is on, for what happens from now on")


def _fields(webhook: Webhook) -> dict[str, object]:
    return {**asdict(webhook), "statuses": sorted(int(status) for status in webhook.statuses)}


def _state(webhook: Webhook) -> str:
    if webhook.disabled_at is not None:
        return f"off since {webhook.disabled_at:%Y-%m-%d %H:%M}"
    return "on" if webhook.failing_since is None else f"failing since {webhook.failing_since:%Y-%m-%d %H:%M}"
