"""Judging a submission before anything is written: numbers, text, size. All faults come together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dispatcher.domain.encoding import InvalidText, encode_plan
from dispatcher.domain.errors import Fault, FaultKind, InvalidSubmission
from dispatcher.domain.msisdn import InvalidNumber, Msisdn, NumberPolicy, parse
from dispatcher.domain.submission import Submission
from dispatcher.domain.text import strip_latin_diacritics, with_stop_mention
from dispatcher.service.context import Context

# Parsing takes 15 to 150 µs a number: other requests get a turn after so many.
_SLICE = 100

FURTHEST = timedelta(days=731)
"""How far ahead a message may be scheduled: two years, one of them a leap year."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A submission that can be accepted: its numbers, its final text and the text's segments."""

    numbers: Sequence[Msisdn]
    text: str
    segments: int


async def examine(ctx: Context, submission: Submission) -> Examined:
    """Check what can be checked without the database. Raises InvalidSubmission with every fault."""
    numbers, faults = await _numbers(ctx, submission.recipients, submission.numbers)
    text, segments, text_faults = _text(ctx, submission)
    faults += [*text_faults, *_time(ctx, submission)]
    if faults:
        raise InvalidSubmission(faults)
    return Examined(numbers, text, segments)


async def _numbers(
    ctx: Context, recipients: Sequence[str], policy: NumberPolicy
) -> tuple[list[Msisdn], list[Fault]]:
    if not recipients:
        return [], [Fault("recipients", FaultKind.EMPTY, "")]
    if len(recipients) > ctx.settings.max_recipients:
        limit = ctx.settings.max_recipients
        return [], [Fault("recipients", FaultKind.TOO_MANY, f"{len(recipients)}, at most {limit}")]
    numbers: list[Msisdn] = []
    faults: list[Fault] = []
    for position, raw in enumerate(recipients):
        if position % _SLICE == _SLICE - 1:
            await asyncio.sleep(0)
        try:
            numbers.append(parse(raw, policy))
        except InvalidNumber:
            faults.append(Fault("recipients", FaultKind.NOT_A_NUMBER, raw))
    return numbers, faults


def _time(ctx: Context, submission: Submission) -> list[Fault]:
    not_before = submission.not_before
    if not_before is None or not_before - ctx.now() <= FURTHEST:
        return []
    return [Fault("not_before", FaultKind.TOO_FAR, f"at most {FURTHEST.days} days")]


def _text(ctx: Context, submission: Submission) -> tuple[str, int, list[Fault]]:
    text = submission.text
    if not text.strip():
        return text, 0, [Fault("text", FaultKind.EMPTY, text)]
    if submission.strip_diacritics:
        text = strip_latin_diacritics(text)
    if submission.stop_mention:
        text = with_stop_mention(text, ctx.settings.stop_mention)
    try:
        segments = encode_plan(text).segments
    except InvalidText as error:
        return text, 0, [Fault("text", FaultKind.NOT_TEXT, str(error))]
    if segments > ctx.settings.max_segments:
        value = f"{segments} segments, at most {ctx.settings.max_segments}"
        return text, segments, [Fault("text", FaultKind.TOO_LONG, value)]
    return text, segments, []
