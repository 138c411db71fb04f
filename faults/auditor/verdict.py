"""The auditor: compares the evidence of a run with what the dispatcher promises."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dispatcher.domain.messages.status import INITIAL, OPEN, TRANSITIONS, Status
from dispatcher.sandbox.provider_options import RECEIPT_WORDS, REJECTIONS
from faults.auditor.evidence import Evidence, ProviderCopy, StoredMessage, WrittenMessage
from faults.auditor.money import audit_money
from faults.auditor.sends import audit_copies
from faults.auditor.violation import Violation

__all__ = ["Verdict", "Violation", "audit"]


_CLOCK = 0.05  # seconds: the clocks' uncertainty


@dataclass(frozen=True, slots=True)
class Verdict:
    """The counts of a run, and each promise that was broken."""

    violations: Sequence[Violation]
    written: int
    accepted: int
    statuses: dict[str, int]
    in_doubt: int
    doubled_by_policy: int


@dataclass(frozen=True, slots=True)
class _Case:
    """One message from all sides."""

    written: WrittenMessage
    rows: Sequence[StoredMessage]
    copies: Sequence[ProviderCopy]


def audit(evidence: Evidence) -> Verdict:
    """Return the verdict on a run that has settled."""
    found = list(_violations(evidence))
    outside = {v.number for v in found if v.rule == "doubled"}
    return Verdict(
        violations=found,
        written=len(evidence.written),
        accepted=sum(w.is_accepted for w in evidence.written),
        statuses={s.name: n for s, n in sorted(Counter(m.status for m in evidence.stored).items())},
        in_doubt=sum(m.doubts > 0 for m in evidence.stored),
        doubled_by_policy=len(_doubled(evidence) - outside),
    )


def _doubled(evidence: Evidence) -> set[str]:
    """Return the numbers whose message, or a part of it, was accepted more than once."""
    accepted: Counter[tuple[str, int | None]] = Counter()
    for copy in evidence.copies:
        accepted[copy.number, copy.part] += copy.accepted
    return {number for (number, _), count in accepted.items() if count > 1}


def _violations(evidence: Evidence) -> Iterator[Violation]:
    known = {w.number for w in evidence.written}
    rows, copies = defaultdict(list), defaultdict(list)
    for row in evidence.stored:
        rows[row.number].append(row)
    for copy in evidence.copies:
        copies[copy.number].append(copy)
    for number in sorted((rows.keys() | copies.keys()) - known):
        yield Violation("number nobody wrote", number, "no message", rows[number])
    for written in evidence.written:
        case = _Case(written, rows.get(written.number, ()), copies.get(written.number, ()))
        yield from _audit_rows(case)
        yield from audit_copies(case.written, rows=case.rows, copies=case.copies, strikes=evidence.strikes)
    for row in evidence.stored:
        yield from _audit_history(row)
    yield from _audit_callbacks(evidence, rows)
    yield from audit_money(evidence)
    yield from _audit_runs(evidence)
    for refusal in evidence.refusals:
        yield Violation("refused", "", f"a request that is right is accepted, and this was not: {refusal}")


def _audit_rows(case: _Case) -> Iterator[Violation]:
    written, rows = case.written, case.rows
    if written.is_accepted and not rows:
        yield Violation("lost", written.number, "a row, because its client was answered that it is accepted")
    if len(rows) > 1:
        yield Violation("accepted twice", written.number, "one row: its client repeated with one key", rows)
    for row in rows:
        yield from _audit_end(written, row)
        yield from _audit_receipt(row, case.copies)
        yield from _audit_miss(row, case.copies)
        yield from _audit_references(row, case.copies)
        was_sent = any(copy.accepted for copy in case.copies)
        if row.status.is_refunded and was_sent:
            yield Violation("refunded though sent", row.number, "no refund: a provider took it", [row])
        if row.status in (Status.SENT, Status.RECEIVED) and not was_sent:
            yield Violation("lost", row.number, f"a provider that took it, as {row.status.name} says", [row])


def _audit_end(written: WrittenMessage, row: StoredMessage) -> Iterator[Violation]:
    """Check that the status of a message is explained by what was written, and by what happened to it."""
    last = written.wishes[-1]
    if last.text is None and last.answered_at is not None and row.status is not Status.WITHDRAWN:
        yield Violation("unexplained", row.number, "withdrawn, as its client was answered", [row])
    elif row.status in OPEN:
        yield Violation("unfinished", row.number, "an end: its time has come, and no fault is left", [row])
    elif row.status is Status.WITHDRAWN and not any(w.text is None for w in written.wishes):
        yield Violation("unexplained", row.number, "not withdrawn: nobody cancelled it", [row])
    elif row.status is Status.EXPIRED and row.events and row.events[-1].at < row.not_after - _CLOCK:
        yield Violation("unexplained", row.number, f"not expired before {row.not_after:.3f}", [row])
    elif row.status.is_refunded and row.status not in (Status.EXPIRED, Status.WITHDRAWN):
        yield Violation("unexplained", row.number, "not cancelled: nothing was wrong with it", [row])


def _audit_receipt(row: StoredMessage, copies: Sequence[ProviderCopy]) -> Iterator[Violation]:
    """Check that each receipt the provider gave, and we answered, is at the message."""
    words = [copy.word for copy in copies if copy.word in RECEIPT_WORDS and copy.part is None]
    expected = {code for word in words if (code := RECEIPT_WORDS[word]) is not None}
    if row.status is Status.GAVE_UP and row.doubts and all(Status(code).is_missed for code in expected):
        return  # it ended in doubt, and only a delivery that is reported later changes that
    if expected and row.status not in expected | {Status.RECEIVED}:
        names = " or ".join(Status(code).name for code in sorted(expected))
        yield Violation("receipt", row.number, f"{names}, as its receipt says", [row])


def _audit_references(row: StoredMessage, copies: Sequence[ProviderCopy]) -> Iterator[Violation]:
    given = {reference for copy in copies for reference in copy.references}
    for reference in sorted(set(row.references) - given):
        expected = f"no reference {reference}: its provider did not give it to this message"
        yield Violation("reference", row.number, expected, [row])


def _audit_miss(row: StoredMessage, copies: Sequence[ProviderCopy]) -> Iterator[Violation]:
    """Check that a provider refused a message that was missed, or sent such a receipt, or is in doubt."""
    said = {(REJECTIONS | RECEIPT_WORDS).get(copy.word) for copy in copies}
    if row.status.is_missed and row.status is not Status.GAVE_UP and row.status not in said:
        yield Violation("unexplained", row.number, "not missed: no provider said so of this message", [row])


def _audit_history(row: StoredMessage) -> Iterator[Violation]:
    events = row.events
    if not events or events[0].status not in INITIAL:
        yield Violation("history", row.number, "a first event with an initial status", [row])
        return
    for before, after in pairwise(events):
        if after.status not in TRANSITIONS[before.status] | {before.status}:
            yield Violation("history", row.number, f"no {before.status.name} → {after.status.name}", [row])
    if events[-1].status is not row.status:
        yield Violation("history", row.number, f"a last event with its status {row.status.name}", [row])


def _audit_callbacks(evidence: Evidence, rows: dict[str, list[StoredMessage]]) -> Iterator[Violation]:
    got = {(c.path, c.number, c.event) for c in evidence.callbacks}
    places = defaultdict(set)
    for callback in evidence.callbacks:
        places[callback.number].add(callback.path)
    for written in evidence.written:
        for row in rows.get(written.number, ()) if written.callback else ():
            wanted = {written.events[e.status] for e in row.events if e.status in written.events}
            for event in sorted(wanted):
                if (written.callback, row.number, event) not in got:
                    yield Violation("callback", row.number, f"{event} posted to {written.callback}", [row])
        for path in sorted(places[written.number] - {written.callback}):
            yield Violation("callback", written.number, f"nothing posted to {path}", rows[written.number])


def _audit_runs(evidence: Evidence) -> Iterator[Violation]:
    for run in evidence.runs:
        name = f"run {run.id}"
        if run.state != "finished":
            yield Violation("run", name, f"finished, and it is {run.state}")
        if run.messages + run.left_out != run.total:
            yield Violation("run", name, f"{run.messages} messages + {run.left_out} left out = {run.total}")
        if (run.messages, run.charged) != (run.rows, run.rows_charged):
            yield Violation(
                "run",
                name,
                f"{run.messages} messages for {run.charged}; there are {run.rows} for {run.rows_charged}",
            )
