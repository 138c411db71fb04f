"""Trying a recipe: what it writes to a real socket, what it makes of an answer, and of what comes to us."""

import asyncio
from collections.abc import Sequence
from typing import Any

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Inbound,
    Outcome,
    Outgoing,
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
    """Send in one call to a peer that answers this; give the outcomes and what it got."""

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
    """Say what an answer means for a message: the code, with ! for an opt-out, or the outcome's name."""
    ((outcome,), _) = send(case, answer)
    match outcome:
        case Rejected(status, _, opted_out):
            return f"{int(status)}!" if opted_out else int(status)
        case Accepted() | Deferred() | Unknown() | Unsent():
            return type(outcome).__name__.lower()


def told(case: Case, request: ReceiptRequest) -> ProviderReports:
    """Read the one thing that came."""

    async def work() -> Sequence[ProviderReports]:
        provider = case.open(port=9)
        try:
            return provider.read_receipt(request)
        finally:
            await provider.close()

    (one,) = asyncio.run(work())
    return one


def reported(case: Case, request: ReceiptRequest) -> int | str | None:
    """Say what a receipt means: the code, with ! for an opt-out, or None for on its way."""
    report = told(case, request)
    assert isinstance(report, ReceiptReport)
    if report.status is None:
        return None
    return f"{int(report.status)}!" if report.opted_out else int(report.status)


def inbound(case: Case, request: ReceiptRequest) -> Inbound:
    """Read a message from a handset."""
    message = told(case, request)
    assert isinstance(message, Inbound)
    return message


def head(got: Got) -> dict[str, str]:
    """Headers of a request, by their names as written."""
    return dict(line.split(": ", 1) for line in got.head.split("\r\n")[1:])


def table(*rows: tuple[Any, str]) -> dict[str, Any]:
    """Spell a table out: what comes out, and the words or numbers (3-5 for a span) it comes out for."""
    spelled: dict[str, Any] = {}
    for outcome, words in rows:
        for word in words.split():
            first, _, last = word.partition("-")
            span = range(int(first), int(last) + 1) if last.isdecimal() else [word]
            assert not spelled.keys() & set(map(str, span)), word
            spelled |= dict.fromkeys(map(str, span), outcome)
    return spelled
