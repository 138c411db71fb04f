"""The changes that receipts make to their messages."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from dispatcher.domain.delivery.provider import ReceiptReport
from dispatcher.domain.messages.status import Status
from dispatcher.domain.receipts.receipt import ReceiptTarget, apply_receipt
from dispatcher.store.receipts import matching
from dispatcher.store.receipts.matching import Match, MatchStep, ReceiptResult

log = structlog.get_logger()


class MessageChanges:
    """
    The changes that the receipts of a batch make to their messages, applied one after the other.

    `part_statuses` are by message, provider and reference, for messages of several
    parts. `opted_out` are the messages whose number has opted out.
    """

    def __init__(self, currents: dict[int, ReceiptTarget]) -> None:
        self._currents = currents
        self._steps: dict[int, list[tuple[Status, str, str]]] = {}
        self.part_statuses: dict[tuple[int, str, str], Status] = {}
        self.opted_out: list[int] = []

    def apply(self, provider: str, report: ReceiptReport, match: Match) -> ReceiptResult:
        """Apply one receipt."""
        remark = _remark(provider, report, match)
        if report.status is None:
            return ReceiptResult("noted", match.message_id, None, remark)
        steps, current = apply_receipt(
            self._currents[match.message_id],
            report.status,
            provider=provider,
            ref=match.ref or report.ref,
            attempt=match.attempt,
        )
        self._currents[match.message_id] = current
        if len(current.parts) > 1 or current.parts_taken:  # a single part has the status of its message
            reported = {
                (match.message_id, p.provider, p.ref): p.status for p in current.parts if p.status is not None
            }
            self.part_statuses.update(reported)
        reason = report.reason or matching.DEFAULT_REASON
        self._steps.setdefault(match.message_id, []).extend((step, provider, reason) for step in steps)
        if report.opted_out and steps:  # a repeated receipt would undo a START that came meanwhile
            self.opted_out.append(match.message_id)
        return ReceiptResult("moved" if steps else "noted", match.message_id, None, remark)

    @property
    def with_several_steps(self) -> frozenset[int]:
        """The messages that make more than one transition."""
        return frozenset(message_id for message_id, steps in self._steps.items() if len(steps) > 1)

    def rounds(self, receipt_timeout: datetime) -> Sequence[Sequence[MatchStep]]:
        """Return the transitions in rounds, in order, with at most one transition of a message in a round."""
        longest = max((len(steps) for steps in self._steps.values()), default=0)
        return [
            [
                _step(message_id, *steps[index], receipt_timeout)
                for message_id, steps in sorted(self._steps.items())
                if index < len(steps)
            ]
            for index in range(longest)
        ]


def _remark(provider: str, report: ReceiptReport, match: Match) -> str:
    """Return what was odd: what the plug-in says, and whether the two references name two messages."""
    if match.other_id is None:
        return report.remark
    log.warning(
        "receipt_references_disagree",
        provider=provider,
        message_id=match.message_id,
        other_id=match.other_id,
    )
    disagreement = f"our reference names message {match.message_id}, the provider's {match.other_id}"
    return f"{disagreement}; {report.remark}" if report.remark else disagreement


def _step(
    message_id: int, status: Status, provider: str, reason: str, receipt_timeout: datetime
) -> MatchStep:
    if status is Status.SENT:
        return MatchStep(message_id, status, provider, "its receipt says so", receipt_timeout)
    return MatchStep(message_id, status, provider, reason, None)
