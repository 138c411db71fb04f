"""Some messages of a run get the campaign's new text, in one transaction with its cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.edit import IN_DOUBT, EditReport, NewText
from dispatcher.domain.messages.edit_rules import (
    NO_CHANGE,
    TextChanged,
    TooLate,
    Unchanged,
    WaitingMessage,
    change_text,
)
from dispatcher.service.context import Context
from dispatcher.store.accounts import ledger
from dispatcher.store.campaigns import texts
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.runs import Run
from dispatcher.store.messages import edits
from dispatcher.store.messages.edits import EditSelection

_REASON = "its campaign's new text cannot be sent to it: {}"


class NotCovered(Exception):
    """The balance does not cover a batch; rolls its transaction back."""

    def __init__(self, campaign_id: int) -> None:
        self.campaign_id = campaign_id


@dataclass(frozen=True, slots=True)
class BatchEdit:
    """The messages that were decided, and their counts."""

    report: EditReport
    decided: Sequence[int]

    def plus(self, other: "BatchEdit") -> "BatchEdit":
        """Return both together."""
        return BatchEdit(self.report.plus(other.report), [*self.decided, *other.decided])


@dataclass(frozen=True, slots=True)
class _Decided:
    """The messages of a batch by the result of the edit; `left_out` has a reason for each."""

    changed: Sequence[TextChanged]
    unchanged: Sequence[WaitingMessage]
    in_doubt: Sequence[WaitingMessage]
    left_out: Mapping[str, Sequence[WaitingMessage]]


async def edit_batch(
    ctx: Context,
    connection: AsyncConnection,
    campaign: CampaignRow,
    run: Run,
    new: NewText,
    ids: Sequence[int],
    *,
    write: bool,
) -> BatchEdit:
    """
    Change those of these messages of a locked run that wait; without `write` only count them.

    One that cannot have the new text is withdrawn and refunded: it must not
    go out with the old one. Raises NotCovered.
    """
    selection = EditSelection(campaign.account_id, only_open=True)
    found = await edits.read_waiting(connection, selection, ids, lock=write, with_variables=True)
    decided = _decide(ctx, found, new)
    if write:
        await _write(connection, campaign, run, decided, now=ctx.now())
    return BatchEdit(_count(decided), [message.id for message in found])


def _decide(ctx: Context, found: Sequence[WaitingMessage], new: NewText) -> _Decided:
    changed: list[TextChanged] = []
    unchanged: list[WaitingMessage] = []
    in_doubt: list[WaitingMessage] = []
    left_out: dict[str, list[WaitingMessage]] = {}
    settings = ctx.settings
    for message in found:
        match change_text(message, new, max_segments=settings.max_segments, prices=settings.price_list):
            case TextChanged() as outcome:
                changed.append(outcome)
            case TooLate():
                in_doubt.append(message)
            case Unchanged(reason) if reason == NO_CHANGE:
                unchanged.append(message)
            case Unchanged(reason):
                left_out.setdefault(reason, []).append(message)
    return _Decided(changed, unchanged, in_doubt, left_out)


async def _write(
    connection: AsyncConnection, campaign: CampaignRow, run: Run, decided: _Decided, *, now: datetime
) -> None:
    """Write what was decided, and the credits last. Raises NotCovered."""
    if decided.changed:
        await edits.change_text(connection, decided.changed, now=now)
    for reason, messages in decided.left_out.items():
        await edits.cancel(connection, [m.id for m in messages], reason=_REASON.format(reason), now=now)
    extra = sum(outcome.extra for outcome in decided.changed)
    if extra:
        await texts.add_charged(connection, run.id, extra)
    await ledger.refund(connection, [m.id for messages in decided.left_out.values() for m in messages])
    if run.batch_id is not None and not await ledger.adjust(
        connection, campaign.account_id, {run.batch_id: -extra}
    ):
        raise NotCovered(campaign.id)


def _count(decided: _Decided) -> EditReport:
    return EditReport(
        changed=len(decided.changed),
        unchanged=Counter({NO_CHANGE: len(decided.unchanged)} if decided.unchanged else {}),
        too_late=len(decided.in_doubt),
        late=Counter({IN_DOUBT: len(decided.in_doubt)} if decided.in_doubt else {}),
        left_out={reason: len(messages) for reason, messages in decided.left_out.items()},
        refunded=sum(m.charged for messages in decided.left_out.values() for m in messages),
        charged=sum(outcome.extra for outcome in decided.changed),
    )
