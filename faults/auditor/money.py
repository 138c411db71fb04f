"""The auditor of the ledger: the balance, the charges and the refunds."""

from collections import Counter
from collections.abc import Iterator

from faults.auditor.evidence import Evidence
from faults.auditor.violation import Violation


def audit_money(evidence: Evidence) -> Iterator[Violation]:
    """Yield what the ledger, the balance and the messages disagree about."""
    total = sum(entry.amount for entry in evidence.ledger)
    if total != evidence.balance:
        yield Violation("ledger", "balance", f"{total}, the sum of the ledger; it is {evidence.balance}")
    yield from _audit_charges(evidence)
    yield from _audit_refunds(evidence)


def _audit_charges(evidence: Evidence) -> Iterator[Violation]:
    charged: Counter[int] = Counter()
    cost: Counter[int] = Counter()
    for entry in evidence.ledger:
        if entry.batch_id is not None:
            charged[entry.batch_id] -= entry.amount
    for row in evidence.stored:
        cost[row.batch_id] += row.charged
    for batch in sorted(charged.keys() | cost.keys()):
        if charged[batch] != cost[batch]:
            expected = f"{cost[batch]} charged, the cost of its messages; the ledger has {charged[batch]}"
            yield Violation("ledger", f"batch {batch}", expected)


def _audit_refunds(evidence: Evidence) -> Iterator[Violation]:
    refunds = [e for e in evidence.ledger if e.kind == "refund"]
    count = Counter(entry.message_id for entry in refunds)
    amount: Counter[int | None] = Counter()
    for entry in refunds:
        amount[entry.message_id] += entry.amount
    for row in evidence.stored:
        due = row.charged if row.status.is_refunded else 0
        if count[row.id] > 1 or amount[row.id] != due:
            expected = f"{due} refunded once; there are {count[row.id]} refunds of {amount[row.id]} in all"
            yield Violation("ledger", row.number, expected, [row])
