"""`dispatcher receipt`: receipts that match no message, and odd ones."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, Before, Data, Limit
from dispatcher.cli.console import print_json, print_note, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.service.context import Context
from dispatcher.service.receipts import listing
from dispatcher.service.receipts.listing import ListedReceipt

Waiting = Annotated[bool, typer.Option("--waiting", help="List those that are still retried instead.")]
Remarked = Annotated[bool, typer.Option("--remarked", help="List odd ones instead, matched or not.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    receipt = typer.Typer(help="Receipts that match no message, or were odd.", no_args_is_help=True)
    receipt.command("list")(list_receipts)
    app.add_typer(receipt, name="receipt")


def list_receipts(
    waiting: Waiting = False,
    remarked: Remarked = False,
    limit: Limit = 100,
    before: Before = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List receipts that matched no message within 24 hours, or odd ones, the newest first."""

    async def work(ctx: Context) -> Sequence[ListedReceipt]:
        if remarked:
            return await listing.remarked(ctx, before=before, limit=limit)
        return await listing.unmatched(ctx, waiting=waiting, before=before, limit=limit)

    found = run_with_context(data, work)
    if as_json:
        print_json([asdict(receipt) for receipt in found])
        return
    rows = [
        (
            str(receipt.id),
            receipt.provider,
            receipt.ref,
            receipt.reference,
            receipt.status,
            receipt.tries,
            receipt.received_at,
            receipt.remark if remarked else receipt.reason,
        )
        for receipt in found
    ]
    columns = (
        "id",
        "provider",
        "ref",
        "reference",
        "status",
        "tries",
        "received (UTC)",
        "remark" if remarked else "reason",
    )
    print_table(columns, rows, numbers=("id", "status", "tries"))
    if len(found) == limit:
        print_note(f"There may be more: --before {found[-1].id}")
