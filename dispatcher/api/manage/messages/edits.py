"""Changing messages that wait: cancelled, rescheduled, given another text, as many as are selected."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import Name, Plain, RequestModel, ResponseModel, StatusWord, Time
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.messages.edit import Cancel, EditReport, NewText, Reschedule, Selection, TimeRange
from dispatcher.domain.messages.window import MAX_AHEAD
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.messages import edits

router = operator_router("Messages")
_MOST = int(MAX_AHEAD.total_seconds())


class SelectionRequest(RequestModel):
    """
    Messages of one account that fit all that is given.

    One that names a message, a batch or a campaign counts also what is sent
    or has ended. Times are from the first up to but excluding the second.
    """

    account: Plain = Field(description="Its name.")
    message: Name | None = None
    batch: Name | None = None
    campaign: StrictInt | Plain | None = Field(
        None, description="Its name, number or public id: its runs that are not over."
    )
    tier: Tier | None = None
    status: list[StatusWord] | None = Field(None, min_length=1, description="`scheduled` or `pending`.")
    number: Plain | None = None
    sender: StrictInt | Plain | None = Field(None, description="A name or a number.")
    not_before_from: Time | None = None
    not_before_to: Time | None = None
    created_from: Time | None = None
    created_to: Time | None = None
    everything: StrictBool = Field(
        False, description="All that is open in the account; then give nothing else."
    )

    def selection(self, account: Account) -> Selection:
        """Give what is meant. Raises Invalid."""
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
    """Take them back, and give their credits back."""

    kind: Literal["cancel"]

    def change(self) -> Cancel:
        """Give what is meant."""
        return Cancel()


class RescheduleRequest(RequestModel):
    """Another window: new ends, or both moved by `shift_seconds`. An end that is left out stays."""

    kind: Literal["reschedule"]
    not_before: Time | None = None
    not_after: Time | None = None
    shift_seconds: Annotated[StrictInt, Field(ge=-_MOST, le=_MOST)] | None = None

    def change(self) -> Reschedule:
        """Give what is meant. Raises Invalid."""
        shift = None if self.shift_seconds is None else timedelta(seconds=self.shift_seconds)
        return Reschedule(self.not_before, self.not_after, shift)


class NewTextRequest(RequestModel):
    """Another text; `{{name}}` in it is a variable of the campaign's recipient."""

    kind: Literal["text"]
    text: Plain

    def change(self) -> NewText:
        """Give what is meant. Raises Invalid."""
        return NewText(self.text)


class EditRequest(RequestModel):
    """What to change, and how. With `dry_run` it is only counted."""

    selection: SelectionRequest
    change: Annotated[CancelRequest | RescheduleRequest | NewTextRequest, Field(discriminator="kind")]
    dry_run: StrictBool = False


class EditedResponse(ResponseModel):
    """
    Each message that was selected, counted once.

    `too_late` are those that are going out, out, maybe out, or at their end;
    `reasons` tells of the `unchanged` why. `charged` is what new texts cost
    more than the old ones, below zero if less.
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
        _402="The balance does not cover the new text; how many have it already",
        _404="No such account, message, batch, campaign or sender",
    ),
)
async def edit_messages(given: EditRequest, ctx: Ctx) -> EditedResponse:
    """Cancel, reschedule or reword what has not gone out, a thousand messages at a time."""
    account = await accounts.find(ctx, given.selection.account)
    edited = await edits.edit(
        ctx, given.selection.selection(account), given.change.change(), dry_run=given.dry_run
    )
    return _shown(edited, given.dry_run)


def _shown(edited: EditReport, dry_run: bool) -> EditedResponse:
    return EditedResponse(
        changed=edited.changed,
        too_late=edited.too_late,
        unchanged=sum(edited.unchanged.values()),
        reasons=dict(edited.unchanged),
        refunded=edited.refunded,
        charged=edited.charged,
        dry_run=dry_run,
    )
