"""Each special number over SMPP, through our provider and back: the same table, row by row."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.delivery.provider import (
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptReport,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.tier import Tier
from dispatcher.providers.smpp import SmppProvider
from dispatcher.sandbox import smpp_options
from tests.sandbox.esme import opened
from tests.sandbox.running_sandbox import run
from tests.sandbox.test_numbers import LATER, ROWS, Row

PARTS = {"56": 3, "57": 3}
UNLIKE = {"55": Row(receipts=())}
"""A receipt over SMPP has no reference of ours, so this one names nothing."""


@pytest.mark.parametrize("ending", ROWS)
def test_a_special_number_has_its_effect_over_smpp(ending: str) -> None:
    row = UNLIKE.get(ending, ROWS[ending])
    parts = PARTS.get(ending, 1)
    reports: list[ReceiptReport] = []

    async def keep(received: Sequence[ProviderReports]) -> None:
        reports.extend(one for one in received if isinstance(one, ReceiptReport))

    async def work() -> None:
        async with opened() as booth:
            config = ProviderConfig(
                "sandbox",
                "smpp",
                smpp_options("127.0.0.1", booth.port),
                call_timeout=timedelta(seconds=row.call_timeout),
            )
            provider = SmppProvider(config)
            try:
                provider.listen(keep)
                message = a_message(f"+2547019900{ending}", "x" * 160 if parts == 1 else "x" * 400)
                outcomes: list[Outcome] = []
                while len(outcomes) < len(row.outcomes):
                    (outcome,) = await provider.send([message], lambda: True)
                    if not isinstance(outcome, Unsent):
                        outcomes.append(outcome)
                    while not (await booth.stats())["binds"]:
                        pass  # it hung up, and is bound again in a moment
                stats = await booth.quiet()
            finally:
                await provider.close()
            assert [o.status if isinstance(o, Rejected) else type(o) for o in outcomes] == list(row.outcomes)
            assert sorted(report.status or LATER for report in reports) == sorted(row.receipts)
            assert stats["accepted"] == row.taken * parts
            assert stats["unique_references"] == min(row.taken, 1) * parts
            assert stats["duplicates"] == max(row.taken - 1, 0) * parts
            assert stats["submits"] == len(row.outcomes) * parts

    run(work())


@pytest.mark.parametrize(
    ("written", "in_receipts", "ids"),
    [
        ("d", "d", "as-is"),
        ("x", "X", "as-is"),
        ("020d", "d", "as-is"),
        ("x", "d", "hex-to-decimal"),
        ("016X", "020d", "hex-to-decimal"),
        ("d", "X", "decimal-to-hex"),
    ],
)
def test_ids_are_matched_however_both_sides_write_them(written: str, in_receipts: str, ids: str) -> None:
    reports: list[ProviderReports] = []

    async def keep(received: Sequence[ProviderReports]) -> None:
        reports.extend(received)

    async def work() -> None:
        async with opened(smpp_ids=written, smpp_receipt_ids=in_receipts) as booth:
            options = {**smpp_options("127.0.0.1", booth.port), "ids": ids}
            provider = SmppProvider(ProviderConfig("sandbox", "smpp", options))
            try:
                provider.listen(keep)
                (outcome,) = await provider.send([a_message("+254701234567", "hi")], lambda: True)
                await booth.quiet()
            finally:
                await provider.close()
            assert not isinstance(outcome, Unknown | Unsent | Rejected)
            (report,) = reports
            assert isinstance(report, ReceiptReport)
            assert report.ref in getattr(outcome, "refs", ())

    run(work())


def a_message(to: str, text: str) -> Outgoing:
    later = datetime(2026, 3, 1, tzinfo=UTC)
    return Outgoing("m-1", to, "ACME", text, 1, Tier.STANDARD, 1, later)
