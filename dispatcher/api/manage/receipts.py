"""Receipts that match no message."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import ResponseModel, StatusWord
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.service.receipts import unmatched

router = operator_router("Receipts")


class ReceiptResponse(ResponseModel):
    """
    A receipt without a message. `ref` is its provider's reference, `reference` ours.

    `status` null: the receipt reports no final state. `wake_at` null: it is not tried again.
    """

    id: int
    provider: str
    ref: str | None
    reference: UUID | None
    status: StatusWord | None
    reason: str
    received_at: datetime
    tries: int
    wake_at: datetime | None


@router.get(f"{PREFIX}/receipts")
async def list_receipts(
    ctx: Ctx,
    paging: Paged,
    verdict: Annotated[
        Literal["unknown", "new"],
        Query(description="`unknown`: given up after 24 hours; `new`: still tried again."),
    ] = "unknown",
) -> Page[ReceiptResponse]:
    """List receipts that match no message, the newest first."""
    waiting = verdict == "new"
    found = await unmatched.page(ctx, waiting=waiting, before=paging.last, limit=paging.probe)
    return paging.page(found, ReceiptResponse.model_validate)
