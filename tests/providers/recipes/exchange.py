"""Exchanges of a recipe: its requests on a real socket, and its reading of responses and receipts."""

import asyncio
from collections.abc import Sequence
from typing import Any

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Inbound,
    Outcome,
    Outgoing,
    PartlyAccepted,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
    Rejected,
    Unknown,
    Unsent,
)
from tests.providers.conformance import Case, a_message
from tests.providers.peer import Got, always, listening
from tests.providers.transports import run


def send(
    case: Case, answer: bytes, messages: Sequence[Outgoing] | None = None
) -> tuple[Sequence[Outcome], Got]:
    """Send in one call to a peer with this response, and return the outcomes and the request."""

    async def work() -> tuple[Sequence[Outcome], Got]:
        async with listening(always(answer)) as peer:
            provider = case.open(port=peer.port)
            try:
                outcomes = await provider.send(messages or [a_message()], lambda: True)
            finally:
                await provider.close()
            (got,) = peer.requests
            return outcomes, got

    return run(work())


def meaning(case: Case, answer: bytes) -> int | str:
    """Return the meaning of a response: the code, with ! for an opt-out, or the outcome's name."""
    ((outcome,), _) = send(case, answer)
    match outcome:
        case Rejected(status, _, opted_out):
            return f"{int(status)}!" if opted_out else int(status)
        case Accepted() | PartlyAccepted() | Deferred() | Unknown() | Unsent():
            return type(outcome).__name__.lower()


def the_report(case: Case, request: ReceiptRequest) -> ProviderReports:
    """Return the only report of a receipt."""

    async def work() -> Sequence[ProviderReports]:
        provider = case.open(port=9)
        try:
            return provider.read_receipt(request)
        finally:
            await provider.close()

    (one,) = asyncio.run(work())
    return one


def reported(case: Case, request: ReceiptRequest) -> int | str | None:
    """Return the meaning of a receipt: the code, with ! for an opt-out, or None for on its way."""
    report = the_report(case, request)
    assert isinstance(report, ReceiptReport)
    if report.status is None:
        return None
    return f"{int(report.status)}!" if report.opted_out else int(report.status)


def inbound(case: Case, request: ReceiptRequest) -> Inbound:
    """Return the message of a handset."""
    message = the_report(case, request)
    assert isinstance(message, Inbound)
    return message


def head(got: Got) -> dict[str, str]:
    """Return the headers of a request, by their names as written."""
    return dict(line.split(": ", 1) for line in got.head.split("\r\n")[1:])


def table(*rows: tuple[Any, str]) -> dict[str, Any]:
    """Return a table by key, from rows of a result and its keys, words or numbers (3-5 for a range)."""
    spelled: dict[str, Any] = {}
    for outcome, words in rows:
        for word in words.split():
            first, _, last = word.partition("-")
            span = range(int(first), int(last) + 1) if last.isdecimal() else [word]
            assert not spelled.keys() & set(map(str, span)), word
            spelled |= dict.fromkeys(map(str, span), outcome)
    return spelled
