"""Receipts for operators: those that match no message, and odd ones."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import ResponseModel, StatusWord
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.service.receipts import listing

router = operator_router("Receipts")


class ReceiptResponse(ResponseModel):
    """
    A receipt. `ref` is its provider's reference, `reference` ours; `message_id` is null without a message.

    `status` null: the receipt reports no final state. `wake_at` null: it is not tried again. `remark` is what
    was odd about it, empty if nothing was.
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
    message_id: int | None
    remark: str


@router.get(f"{PREFIX}/receipts")
async def list_receipts(
    ctx: Ctx,
    paging: Paged,
    verdict: Annotated[
        Literal["unknown", "new"],
        Query(description="`unknown`: given up after 24 hours; `new`: still tried again."),
    ] = "unknown",
    remarked: Annotated[
        bool, Query(description="Those with a remark instead, whether or not they match a message.")
    ] = False,
) -> Page[ReceiptResponse]:
    """List receipts that match no message, or those with a remark; the newest first."""
    before, limit = paging.last, paging.probe
    if remarked:
        found = await listing.remarked(ctx, before=before, limit=limit)
    else:
        found = await listing.unmatched(ctx, waiting=verdict == "new", before=before, limit=limit)
    return paging.page(found, ReceiptResponse.model_validate)
