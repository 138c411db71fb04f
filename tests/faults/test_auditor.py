"""The auditor finds each kind of broken promise that is planted, and nothing in a run that kept them all."""

from dataclasses import replace

import pytest

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from faults.auditor.evidence import (
    CampaignRun,
    Evidence,
    LedgerRow,
    ProviderCopy,
    ReceivedCallback,
    StoredEvent,
    StoredMessage,
    StrikeTime,
    Wish,
    WrittenMessage,
)
from faults.auditor.verdict import audit

NUMBER = "+254700000001"
HOOK = "/webhooks/smsgate"


def _written(**changes: object) -> WrittenMessage:
    wish = Wish(asked_at=99.0, answered_at=None, text="Hello", not_before=100.0, not_after=110.0)
    written = WrittenMessage(
        NUMBER,
        "smsgate",
        Tier.STANDARD,
        [wish],
        True,
        HOOK,
        {Status.SENT: "sms:sent", Status.RECEIVED: "sms:ok"},
    )
    return replace(written, **changes)  # type: ignore[arg-type]


def _row(*statuses: Status, **changes: object) -> StoredMessage:
    history = statuses or (Status.SCHEDULED, Status.PENDING, Status.SENT, Status.RECEIVED)
    row = StoredMessage(
        id=7,
        public_id="p",
        number=NUMBER,
        text="Hello",
        status=history[-1],
        not_after=110.0,
        doubts=0,
        charged=1,
        batch_id=3,
        events=[StoredEvent(n + 1, 100.0 + n, status) for n, status in enumerate(history)],
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def _copy(**changes: object) -> ProviderCopy:
    copy = ProviderCopy("first", NUMBER, "Hello", [100.5], 1, "DELIVRD", references=["17"])
    return replace(copy, **changes)  # type: ignore[arg-type]


CHARGE = LedgerRow("charge", -1, batch_id=3)
POSTED = [ReceivedCallback(HOOK, NUMBER, "sms:sent"), ReceivedCallback(HOOK, NUMBER, "sms:ok")]
KEPT = Evidence(
    written=[_written()],
    stored=[_row()],
    copies=[_copy()],
    callbacks=POSTED,
    ledger=[LedgerRow("topup", 10), CHARGE],
    balance=9,
    runs=[CampaignRun(1, "finished", 5, 4, 1, 4, 4, 4)],
)
CANCELLED = _written(wishes=[*_written().wishes, Wish(99.5, 99.8, None)])
IN_DOUBT = _row(doubts=1)
WITHDRAWN = _row(Status.SCHEDULED, Status.WITHDRAWN)
REFUND = LedgerRow("refund", 1, message_id=7)


def _rules(evidence: Evidence) -> set[str]:
    return {violation.rule for violation in audit(evidence).violations}


def test_a_run_that_kept_every_promise_has_no_violation() -> None:
    assert audit(KEPT).violations == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("lost", {"stored": [], "copies": [], "ledger": [], "balance": 0}),
        ("lost", {"copies": []}),
        ("accepted twice", {"stored": [_row(), _row(id=8, charged=0)]}),
        ("doubled", {"copies": [_copy(accepted=2, received_at=[100.5, 100.6])]}),
        ("doubled", {"copies": [_copy(), _copy(provider="second")]}),
        ("doubled", {"copies": [_copy(part=1, accepted=1, text="He"), _copy(part=1, accepted=1, text="He")]}),
        (
            "doubled",
            {"written": [_written(tier=Tier.BULK)], "stored": [IN_DOUBT], "copies": [_copy(accepted=2)]},
        ),
        ("outside its window", {"copies": [_copy(received_at=[99.9])]}),
        ("outside its window", {"copies": [_copy(received_at=[100.5, 111.1])]}),
        ("sent though cancelled", {"written": [CANCELLED], "copies": [_copy(accepted=0, received_at=[101])]}),
        ("sent though cancelled", {"written": [CANCELLED], "copies": [_copy()]}),
        ("refunded though sent", {"written": [CANCELLED], "stored": [WITHDRAWN]}),
        ("number nobody wrote", {"copies": [_copy(), _copy(number="+254700000002")]}),
        ("text nobody wrote", {"copies": [_copy(text="Hello {{name}}")]}),
        ("unfinished", {"stored": [_row(Status.SCHEDULED, Status.PENDING)]}),
        ("unexplained", {"stored": [WITHDRAWN], "ledger": [LedgerRow("topup", 9), CHARGE, REFUND]}),
        ("unexplained", {"stored": [_row(Status.PENDING, Status.EXPIRED)]}),
        ("unexplained", {"stored": [_row(Status.PENDING, Status.NO_ROUTE)]}),
        (
            "unexplained",
            {"stored": [_row(Status.PENDING, Status.INVALID_NUMBER)], "copies": [_copy(word="")]},
        ),
        ("unexplained", {"written": [CANCELLED], "copies": [_copy(accepted=0, received_at=[])]}),
        ("history", {"stored": [_row(Status.SCHEDULED, Status.RECEIVED)]}),
        ("history", {"stored": [_row(Status.SENT, Status.RECEIVED)]}),
        ("history", {"stored": [_row(status=Status.FAILED)]}),
        ("history", {"stored": [_row(events=())]}),
        ("receipt", {"stored": [_row(Status.PENDING, Status.SENT)]}),
        ("receipt", {"copies": [_copy(word="UNDELIV")], "stored": [_row(Status.PENDING, Status.SENT)]}),
        ("reference", {"stored": [_row(references=["17", "18"])]}),
        ("callback", {"callbacks": POSTED[:1]}),
        ("callback", {"callbacks": [*POSTED[:1], ReceivedCallback("/other", NUMBER, "sms:ok")]}),
        ("callback", {"callbacks": [*POSTED, ReceivedCallback("/other", NUMBER, "sms:ok")]}),
        ("ledger", {"balance": 8}),
        ("ledger", {"ledger": [LedgerRow("topup", 11), CHARGE, CHARGE]}),
        ("ledger", {"ledger": [LedgerRow("topup", 9), CHARGE, REFUND]}),
        ("ledger", {"written": [CANCELLED], "stored": [WITHDRAWN], "copies": []}),
        (
            "ledger",
            {
                "written": [CANCELLED],
                "stored": [WITHDRAWN],
                "copies": [],
                "ledger": [LedgerRow("topup", 8), CHARGE, REFUND, REFUND],
            },
        ),
        ("run", {"runs": [CampaignRun(1, "sending", 5, 4, 1, 4, 4, 4)]}),
        ("run", {"runs": [CampaignRun(1, "finished", 5, 3, 1, 3, 3, 3)]}),
        ("run", {"runs": [CampaignRun(1, "finished", 5, 4, 1, 4, 5, 5)]}),
        ("run", {"runs": [CampaignRun(1, "finished", 5, 4, 1, 5, 4, 4)]}),
        ("refused", {"refusals": ["500 broken"]}),
    ],
)
def test_a_planted_violation_is_found(rule: str, changes: dict[str, object]) -> None:
    assert rule in _rules(replace(KEPT, **changes))  # type: ignore[arg-type]


def test_a_violation_says_the_message_what_was_expected_and_its_history() -> None:
    [violation] = audit(replace(KEPT, copies=[])).violations
    assert violation.describe().splitlines() == [
        "lost: +254700000001: expected a provider that took it, as RECEIVED says",
        "  message 7 (p): RECEIVED   doubts=0",
        "    1 100.000 SCHEDULED ",
        "    2 101.000 PENDING ",
        "    3 102.000 SENT ",
        "    4 103.000 RECEIVED ",
    ]


def test_a_message_in_doubt_may_be_sent_again_once_for_each_doubt() -> None:
    again = replace(KEPT, stored=[IN_DOUBT], copies=[_copy(accepted=2, received_at=[100.5, 103.0])])
    verdict = audit(again)
    assert verdict.violations == []
    assert (verdict.in_doubt, verdict.doubled_by_policy) == (1, 1)
    assert _rules(replace(again, copies=[_copy(accepted=3)])) == {"doubled"}


def test_a_message_whose_client_never_had_an_answer_may_be_missing_or_there_once() -> None:
    unknown = replace(KEPT, written=[_written(is_accepted=False)])
    assert _rules(unknown) == set()
    nothing = Evidence(written=unknown.written)
    assert _rules(nothing) == set()


def test_an_edit_without_an_answer_allows_both_texts_and_both_windows() -> None:
    edit = Wish(asked_at=99.5, answered_at=None, text="Bye", not_before=120.0, not_after=130.0)
    edited = replace(KEPT, written=[_written(wishes=[*_written().wishes, edit])])
    assert _rules(edited) == set()
    assert _rules(replace(edited, copies=[_copy(text="Bye", received_at=[125.0])])) == set()
    assert _rules(replace(edited, copies=[_copy(text="Bye")])) == {"outside its window"}


def test_after_the_answer_to_an_edit_the_old_text_may_not_be_sent() -> None:
    edit = Wish(asked_at=99.5, answered_at=100.0, text="Bye", not_before=100.0, not_after=110.0)
    edited = replace(KEPT, written=[_written(wishes=[*_written().wishes, edit])])
    assert _rules(replace(edited, copies=[_copy(received_at=[101.5])])) == {"text nobody wrote"}
    assert _rules(replace(edited, copies=[_copy(text="Bye", received_at=[101.5])])) == set()


def test_a_send_that_a_stopped_provider_read_late_is_not_outside_its_window() -> None:
    stopped = replace(KEPT, copies=[_copy(received_at=[115.5])])
    assert _rules(stopped) == {"outside its window"}
    strike = StrikeTime("provider stopped", 108.0, 115.0, delays_provider=True)
    assert _rules(replace(stopped, strikes=[strike])) == set()
    assert _rules(replace(stopped, strikes=[replace(strike, delays_provider=False)])) == {
        "outside its window"
    }


def test_a_late_receipt_of_delivery_wins_over_the_failure_before_it() -> None:
    failed = [_copy(word="UNDELIV")]
    ends = _row(Status.PENDING, Status.SENT, Status.FAILED, Status.RECEIVED)
    assert _rules(replace(KEPT, stored=[ends], copies=failed)) == set()


def test_a_failure_that_is_reported_of_a_message_given_up_in_doubt_changes_nothing() -> None:
    given_up = _row(Status.PENDING, Status.GAVE_UP, doubts=1)
    failed = replace(KEPT, stored=[given_up], copies=[_copy(word="UNDELIV")], callbacks=[])
    assert _rules(failed) == set()
    assert _rules(replace(failed, copies=[_copy(word="DELIVRD")])) == {"receipt"}
    assert _rules(replace(failed, stored=[replace(given_up, doubts=0)])) == {"receipt"}
