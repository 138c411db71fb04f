"""Validation of a submission before its transaction: numbers, text, size. All faults come together."""

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.callbacks.urls import check_url
from dispatcher.domain.errors import Fault, FaultKind, InvalidSubmission
from dispatcher.domain.messages import template
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.domain.messages.submission import DuplicateNumbers, IdempotencyKey, InvalidNumbers, Submission
from dispatcher.domain.messages.text import (
    describe_blank,
    is_blank,
    strip_latin_diacritics,
    with_stop_mention,
)
from dispatcher.domain.messages.window import MAX_AHEAD
from dispatcher.domain.numbers.msisdn import InvalidNumber, Msisdn, parse
from dispatcher.domain.numbers.number_fault import NumberFault
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.yielding import yielding

_LONGEST_SENDER = 40  # characters of an unknown one in an error


@dataclass(frozen=True, slots=True)
class ValidRecipient:
    """A phone number as the caller wrote it, and as it was parsed."""

    raw: str
    number: Msisdn


@dataclass(frozen=True, slots=True)
class ValidatedSubmission:
    """
    A submission without faults, with its tier, parsed numbers and segments.

    `text` is the text as it is sent. `skipped` counts the recipients that were
    left out because they are no phone numbers.
    """

    caller: Caller
    submission: Submission
    tier: Tier
    recipients: Sequence[ValidRecipient]
    text: str
    segments: int
    skipped: int
    template_id: int | None
    key: IdempotencyKey | None

    @property
    def names_a_sender(self) -> bool:
        """Whether the submission names a sender; otherwise it gets the account's default one."""
        return self.submission.sender_id is not None or self.submission.sender_name is not None

    @property
    def numbers(self) -> list[str]:
        """The numbers of all recipients, in E.164."""
        return [recipient.number.e164 for recipient in self.recipients]


async def validate_fields(
    ctx: Context,
    caller: Caller,
    submission: Submission,
    *,
    tier: Tier,
    template_id: int | None,
    key: IdempotencyKey | None,
) -> ValidatedSubmission:
    """Return the validated submission, without access to the database. Raises InvalidSubmission."""
    recipients, faults = await _recipients(ctx, submission)
    text, segments, text_faults = _text(ctx, submission)
    faults += [*text_faults, *_time(ctx, submission), *_url(ctx, submission)]
    skipped = 0
    if submission.invalid_numbers is InvalidNumbers.SKIP:
        skipped = sum(fault.kind in _KIND_OF_NUMBER_FAULT.values() for fault in faults)
        faults = [fault for fault in faults if fault.kind not in _KIND_OF_NUMBER_FAULT.values()]
    if faults:
        raise InvalidSubmission([*faults, *window_faults(ctx, submission)])
    return ValidatedSubmission(
        caller, submission, tier, recipients, text, segments, skipped, template_id, key
    )


_KIND_OF_NUMBER_FAULT = {
    reason: FaultKind.NOT_MOBILE if reason is NumberFault.NOT_MOBILE else FaultKind.NOT_A_NUMBER
    for reason in NumberFault
}


async def _recipients(ctx: Context, submission: Submission) -> tuple[list[ValidRecipient], list[Fault]]:
    numbers = submission.recipients
    if not numbers:
        return [], [Fault("recipients", FaultKind.EMPTY, "")]
    if len(numbers) > ctx.settings.max_recipients:
        limit = ctx.settings.max_recipients
        return [], [Fault("recipients", FaultKind.TOO_MANY, f"{len(numbers)}, at most {limit}")]
    recipients: list[ValidRecipient] = []
    faults: list[Fault] = []
    async for raw in yielding(numbers):
        try:
            recipients.append(ValidRecipient(raw, parse(raw, submission.numbers)))
        except InvalidNumber as error:
            faults.append(
                Fault("recipients", _KIND_OF_NUMBER_FAULT[error.reason], raw, advice=f"it {error.advice}")
            )
    return _without_duplicates(recipients, faults, submission.duplicate_numbers)


def _without_duplicates(
    recipients: list[ValidRecipient], faults: list[Fault], duplicate_numbers: DuplicateNumbers
) -> tuple[list[ValidRecipient], list[Fault]]:
    first: dict[str, ValidRecipient] = {}
    for recipient in recipients:
        first.setdefault(recipient.number.e164, recipient)
    repeated = len(recipients) - len(first)
    if duplicate_numbers is DuplicateNumbers.KEEP or not repeated:
        return recipients, faults
    if duplicate_numbers is DuplicateNumbers.REFUSE:
        faults.append(Fault("recipients", FaultKind.REPEATED, f"{repeated} of {len(recipients)}"))
    return list(first.values()), faults


def _time(ctx: Context, submission: Submission) -> list[Fault]:
    not_before = submission.not_before
    if not_before is None or not_before - ctx.now() <= MAX_AHEAD:
        return []
    return [Fault("not_before", FaultKind.TOO_FAR, f"at most {MAX_AHEAD.days} days")]


def window_faults(ctx: Context, submission: Submission) -> list[Fault]:
    """
    Return the fault of a window that is over, for a submission that is refused anyway.

    Otherwise the transaction decides, which first looks for the answer to an idempotency
    key: a request that is repeated after its window still gets the first answer.
    """
    start, end = max(submission.not_before or ctx.now(), ctx.now()), submission.not_after
    return [] if end is None or end > start else [window_over(submission)]


def window_over(submission: Submission) -> Fault:
    """Return the fault of a submission whose window leaves no time to send."""
    return Fault("not_after", FaultKind.WINDOW_OVER, str(submission.not_after))


def _url(ctx: Context, submission: Submission) -> list[Fault]:
    if submission.callback_url is None:
        return []
    wrong = check_url(submission.callback_url, ctx.url_rules)
    return [Fault("callback_url", FaultKind.BAD_URL, wrong)] if wrong else []


def _text(ctx: Context, submission: Submission) -> tuple[str, int, list[Fault]]:
    text = submission.text
    if is_blank(text):
        return text, 0, [Fault("text", FaultKind.EMPTY, describe_blank(text))]
    if submission.strip_diacritics:
        text = strip_latin_diacritics(text)
    if submission.stop_mention:
        text = with_stop_mention(text, ctx.settings.stop_mention)
    return measure_text(ctx, text)


def unknown_sender(submission: Submission) -> Fault:
    """Return the fault of a submission that names a sender which the account does not have."""
    sender = submission.sender_name if submission.sender_id is None else submission.sender_id
    named = str(sender)
    shown = named if len(named) <= _LONGEST_SENDER else named[:_LONGEST_SENDER] + "…"
    return Fault("sender_id", FaultKind.UNKNOWN_SENDER, shown)


def measure_text(ctx: Context, text: str) -> tuple[str, int, list[Fault]]:
    """
    Return a text, the number of its segments, and the faults that keep it from being sent.

    Every text that is to be sent is checked here once it is filled in, also for unfilled braces.
    """
    unfilled = template.unfilled_braces(text)
    faults = [Fault("text", FaultKind.UNFILLED, unfilled)] if unfilled else []
    try:
        segments = measure(text).segments
    except InvalidText as error:
        return text, 0, [*faults, Fault("text", FaultKind.NOT_TEXT, str(error))]
    if segments > ctx.settings.max_segments:
        value = f"{segments} segments, at most {ctx.settings.max_segments}"
        faults.append(Fault("text", FaultKind.TOO_LONG, value))
    return text, segments, faults


def measure_template(ctx: Context, text: str) -> tuple[int, list[Fault]]:
    """Return the segments of a text with placeholders, unfilled, and its faults; a length is not final."""
    _, segments, faults = measure_text(ctx, text)
    faults = [fault for fault in faults if fault.kind is not FaultKind.UNFILLED]
    if stray := template.stray_braces(text):
        faults.append(Fault("text", FaultKind.UNFILLED, stray))
    return segments, faults
