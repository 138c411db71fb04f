"""Edits: cancel, reschedule or reword the selected messages that have not been sent."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import (
    AnyId,
    FromText,
    RequestModel,
    ResponseModel,
    RowId,
    StatusWord,
    Text,
    Time,
    after,
)
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.messages.edit import Cancel, EditReport, NewText, Reschedule, Selection, TimeRange
from dispatcher.domain.messages.window import MAX_AHEAD
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.messages import edits

router = operator_router("Messages")
_MAX_SHIFT = int(MAX_AHEAD.total_seconds())


class SelectionRequest(RequestModel):
    """
    Messages of an account that match all conditions.

    With a message, a batch or a campaign, those that are sent or ended are selected
    too, but only counted. `…_from` is included, `…_to` is not.
    """

    account: Text = Field(description="The account's name.")
    message: AnyId | None = None
    batch: AnyId | None = None
    campaign: RowId | Text | None = Field(
        None, description="Its name, id or public id; selects its runs that have not ended."
    )
    tier: FromText[Tier] | None = None
    status: list[StatusWord] | None = Field(None, min_length=1, description="`scheduled` or `pending`.")
    number: Text | None = None
    sender: RowId | Text | None = Field(None, description="A name or an id.")
    not_before_from: Time | None = None
    not_before_to: Annotated[Time | None, after("not_before_from")] = None
    created_from: Time | None = None
    created_to: Annotated[Time | None, after("created_from")] = None
    everything: bool = Field(
        False, description="All open messages of the account; no other condition is allowed with it."
    )

    def selection(self, account: Account) -> Selection:
        """Return the selection. Raises Invalid."""
        return Selection(
            account=account,
            message=self.message,
            batch=self.batch,
            campaign=None if self.campaign is None else str(self.campaign),
            tier=self.tier,
            statuses=None if self.status is None else frozenset(self.status),
            number=self.number,
            sender=None if self.sender is None else str(self.sender),
            due=TimeRange(self.not_before_from, self.not_before_to),
            created=TimeRange(self.created_from, self.created_to),
            everything=self.everything,
        )


class CancelRequest(RequestModel):
    """Cancel the messages, and refund their credits."""

    kind: Literal["cancel"]

    def change(self) -> Cancel:
        """Return the change."""
        return Cancel()


class RescheduleRequest(RequestModel):
    """Another window: new times, or both shifted by `shift_seconds`. A time that is left out stays."""

    kind: Literal["reschedule"]
    not_before: Time | None = None
    not_after: Annotated[Time | None, after("not_before")] = None
    shift_seconds: Annotated[int, Field(ge=-_MAX_SHIFT, le=_MAX_SHIFT)] | None = None

    def change(self) -> Reschedule:
        """Return the change. Raises Invalid."""
        shift = None if self.shift_seconds is None else timedelta(seconds=self.shift_seconds)
        return Reschedule(self.not_before, self.not_after, shift)


class NewTextRequest(RequestModel):
    """Another text; `{{name}}` in it is a variable of the campaign's recipient."""

    kind: Literal["text"]
    text: Text

    def change(self) -> NewText:
        """Return the change. Raises Invalid."""
        return NewText(self.text)


class EditRequest(RequestModel):
    """The messages to change, and the change. With `dry_run` they are only counted."""

    selection: SelectionRequest
    change: Annotated[CancelRequest | RescheduleRequest | NewTextRequest, Field(discriminator="kind")]
    dry_run: bool = False


class EditedResponse(ResponseModel):
    """
    The selected messages, each counted once.

    `too_late` counts those that are being sent, sent, in doubt or ended; `reasons`
    counts the `unchanged` ones by reason. `charged` is how much more the new texts cost
    than the old ones, below zero if less.
    """

    changed: int
    too_late: int
    unchanged: int
    reasons: dict[str, int]
    refunded: int
    charged: int
    dry_run: bool


@router.post(
    f"{PREFIX}/messages/edits",
    responses=problems(
        _402="The balance does not cover the new text; the detail has how many messages were changed",
        _404="No such account, message, batch, campaign or sender",
    ),
)
async def edit_messages(body: EditRequest, ctx: Ctx) -> EditedResponse:
    """Cancel, reschedule or reword messages that have not been sent, a thousand at a time."""
    account = await accounts.find(ctx, body.selection.account)
    edited = await edits.edit(
        ctx, body.selection.selection(account), body.change.change(), dry_run=body.dry_run
    )
    return _response(edited, body.dry_run)


def _response(edited: EditReport, dry_run: bool) -> EditedResponse:
    return EditedResponse(
        changed=edited.changed,
        too_late=edited.too_late,
        unchanged=sum(edited.unchanged.values()),
        reasons=dict(edited.unchanged),
        refunded=edited.refunded,
        charged=edited.charged,
        dry_run=dry_run,
    )
