"""Each special number, through the provider and back: the whole table, row by row."""

from dataclasses import dataclass

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected, Unknown
from dispatcher.domain.messages.status import Status
from dispatcher.sandbox.numbers import SPECIAL, script_for
from tests.sandbox.running_sandbox import run, running_sandbox

S = Status
LATER = Status.PENDING
"""Stands for a receipt that moves nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """The effect of one number: the outcomes of its submits in order, and all its receipts."""

    outcomes: tuple[type[Outcome] | Status, ...] = (Accepted,)
    receipts: tuple[Status, ...] = (Status.RECEIVED,)
    taken: int = 1
    call_timeout: float = 5.0


def lost(status: Status) -> Row:
    return Row(receipts=(status,))


def refused(status: Status) -> Row:
    return Row((status,), receipts=(), taken=0)


ROWS = {
    "00": Row(),
    "30": refused(S.INVALID_NUMBER),
    "31": refused(S.BLOCKED),
    "32": lost(S.TOO_LATE),
    "33": lost(S.UNREACHABLE),
    "38": lost(S.FAILED),
    "39": Row((Deferred,) * 4, receipts=(), taken=0),
    "60": lost(S.INVALID_NUMBER),
    "61": lost(S.BLOCKED),
    "62": refused(S.TOO_LATE),
    "63": refused(S.UNREACHABLE),
    "68": refused(S.FAILED),
    "69": refused(S.GAVE_UP),
    "40": Row(),
    "41": Row((Deferred, Deferred, Accepted)),
    "42": Row((Deferred,) * 4, receipts=(), taken=0),
    "43": Row((Unknown, Accepted), receipts=(S.RECEIVED,) * 2, taken=2, call_timeout=0.3),
    "44": Row((Unknown, Unknown), receipts=(S.RECEIVED,) * 2, taken=2, call_timeout=0.3),
    "49": Row((Unknown, Accepted)),
    "50": Row((Unknown, Unknown), receipts=(), taken=0),
    "51": Row((Unknown, Accepted), receipts=(S.RECEIVED,) * 2, taken=2),
    "52": Row((Unknown, Accepted)),
    "45": Row(receipts=()),
    "46": Row(),
    "47": Row(receipts=(S.RECEIVED,) * 3),
    "48": Row(receipts=(LATER, S.RECEIVED)),
    "53": Row(receipts=(S.FAILED, S.RECEIVED)),
    "54": Row(receipts=(LATER,)),
    "55": Row(),
    "56": Row(receipts=(S.RECEIVED,) * 3),
    "57": Row(receipts=(S.RECEIVED, S.RECEIVED, S.FAILED)),
    "64": Row(),
    "65": Row(),
    "66": Row(),
    "67": Row(),
}


def test_every_special_number_has_a_row_here() -> None:
    assert set(ROWS) == set(SPECIAL)


@pytest.mark.parametrize("ending", ROWS)
def test_a_special_number_does_what_the_table_says(ending: str) -> None:
    row = ROWS[ending]

    async def work() -> None:
        async with running_sandbox(call_timeout=row.call_timeout) as stage:
            outcomes = [
                await stage.send(f"+2547019900{ending}", segments=3, attempt=number)
                for number, _ in enumerate(row.outcomes, 1)
            ]
            stats = await stage.quiet()
            assert [o.status if isinstance(o, Rejected) else type(o) for o in outcomes] == list(row.outcomes)
            assert sorted(report.status or LATER for report in stage.reports()) == sorted(row.receipts)
            assert stats["accepted"] == row.taken
            assert stats["unique_references"] == min(row.taken, 1)
            assert stats["duplicates"] == max(row.taken - 1, 0)
            assert stats["submits"] == len(row.outcomes)
            assert stats["receipts_sent"] == len(row.receipts)

    run(work())


def test_receipts_name_the_provider_reference_and_ours() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            outcome = await stage.send("+254701234567")
            await stage.quiet()
            (report,) = stage.reports()
            assert isinstance(outcome, Accepted)
            assert (report.ref, report.reference) == (*outcome.refs, "m-1")

    run(work())


def test_55_names_our_reference_only() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            await stage.send("+254701990055")
            await stage.quiet()
            (report,) = stage.reports()
            assert (report.ref, report.reference) == (None, "m-1")

    run(work())


def test_46_is_reported_before_the_answer() -> None:
    async def work() -> None:
        async with running_sandbox(latency_ms=60_000, call_timeout=0.5) as stage:
            assert isinstance(await stage.send("+254701990046"), Unknown)
            assert [report.status for report in stage.reports()] == [S.RECEIVED]

    run(work())


def test_48_and_53_report_in_order() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            await stage.send("+254701990048")
            await stage.quiet()
            assert [report.status for report in stage.reports()] == [None, S.RECEIVED]
            await stage.send("+254701990053", reference="m-2")
            await stage.quiet()
            assert [report.status for report in stage.reports()[2:]] == [S.FAILED, S.RECEIVED]

    run(work())


def test_56_has_a_reference_for_each_segment() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            outcome = await stage.send("+254701990056", segments=3)
            assert isinstance(outcome, Accepted)
            assert len(set(outcome.refs)) == 3

    run(work())


@pytest.mark.parametrize(
    "number", ["+254701234567", "0701234567", "+1234567890", "+33123456789", "+254799003099"]
)
def test_every_other_number_is_delivered(number: str) -> None:
    assert script_for(number) is None


@pytest.mark.parametrize("number", ["+254701990030", "254701990030", "0701990030", "+44 7700 990030"])
def test_the_last_six_digits_make_a_number_special(number: str) -> None:
    assert script_for(number) is SPECIAL["30"]


@pytest.mark.parametrize("code", [30, 31, 32, 33, 38, 39])
def test_there_is_a_number_for_each_failure_code(code: int) -> None:
    assert str(code) in SPECIAL
