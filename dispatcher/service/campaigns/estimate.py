"""A dry run of an import: what a file contains, and what a text to its recipients would cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.csv_rejects import FileFormat
from dispatcher.domain.numbers.msisdn import Msisdn
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts.accounts import find_usable_sender
from dispatcher.service.campaigns.recipient_file import (
    Candidate,
    ImportProgress,
    ProgressHandler,
    RecipientChunk,
    RecipientFile,
    drop_repeats,
    ignore_progress,
    open_recipients,
)
from dispatcher.service.campaigns.text_survey import TextSummary, TextSurvey, text_of
from dispatcher.service.context import Context
from dispatcher.service.database import StatementRunner
from dispatcher.service.routing import routes
from dispatcher.service.yielding import yielding
from dispatcher.store.accounts import opt_outs, senders
from dispatcher.store.campaigns import seen_numbers
from dispatcher.store.campaigns.rejects import Reject

RejectHandler = Callable[[FileFormat, Sequence[Reject]], None]


@dataclass(frozen=True, slots=True)
class EstimateRequest:
    """A text, or the id of a template, and the sender; None is the default sender."""

    text: str | None = None
    template_id: str | None = None
    sender: str | None = None

    @property
    def names_a_text(self) -> bool:
        """Whether there is a text to price."""
        return self.text is not None or self.template_id is not None


@dataclass(slots=True)
class CountryShare:
    """The messages to one country; without a text, segments and cost are 0."""

    messages: int = 0
    segments: int = 0
    cost: int = 0


@dataclass(slots=True)
class Estimate:
    """
    The counts of a file's rows: rows = valid + invalid + repeated.

    valid = messages + opted_out + unsendable. `unsendable` rows have no route,
    or a text that is empty, too long, has characters that cannot be sent, or
    braces that nothing fills. `by_country` counts the messages; `texts` sums
    up how they will read, None without a text.
    """

    columns: Sequence[str]
    encoding: str = ""
    separator: str = ""
    rows: int = 0
    valid: int = 0
    invalid: int = 0
    repeated: int = 0
    opted_out: int = 0
    unsendable: int = 0
    by_country: dict[str, CountryShare] = field(default_factory=dict)
    texts: TextSummary | None = None

    @property
    def total(self) -> CountryShare:
        """The sum over all countries."""
        shares = self.by_country.values()
        return CountryShare(
            sum(share.messages for share in shares),
            sum(share.segments for share in shares),
            sum(share.cost for share in shares),
        )

    @property
    def rejects(self) -> int:
        """How many rows are not recipients, or could not be sent the text."""
        return self.invalid + self.repeated + self.unsendable


async def estimate(
    ctx: Context,
    account: Account,
    file: RecipientFile,
    request: EstimateRequest,
    *,
    on_progress: ProgressHandler = ignore_progress,
    on_rejects: RejectHandler = lambda _, __: None,
) -> Estimate:
    """
    Return the counts and cost of a file, read as an import would read it; nothing is stored.

    Routes are those of bulk messages, the default tier of campaigns.
    `on_rejects` gets the file's format first, then the rejects as they are found. Raises Invalid as an import
    does, and for both a text and a template; NotFound for an unknown template
    or sender.
    """
    text = await text_of(ctx, account, text=request.text, template_id=request.template_id)
    sender_id = await _sender_id(ctx, account, request.sender)
    sender = None if sender_id is None else await _sender_name(ctx, sender_id)
    await routes.ensure_table(ctx)
    async with open_recipients(ctx, account, file) as reading, ctx.database.one_connection() as run:
        await run(seen_numbers.create)
        survey = None if text is None else TextSurvey(ctx, text)
        found = Estimate(reading.columns, reading.format.encoding, reading.format.separator)
        if survey is not None:
            survey.check(reading.columns, of="file")
            found.texts = survey.summary
        on_rejects(reading.format, ())
        estimator = _Estimator(ctx, found, account, sender, survey)
        async for chunk in reading.read_chunks():
            fresh, repeated = await _without_repeats(run, chunk)
            opted_in = await _without_opted_out(run, fresh, account, sender_id)
            unsendable = [
                reject async for one in yielding(opted_in) if (reject := estimator.add(one)) is not None
            ]
            found.rows += len(chunk.candidates) + len(chunk.rejects)
            found.valid += len(fresh)
            found.invalid += len(chunk.rejects)
            found.repeated += len(repeated)
            found.opted_out += len(fresh) - len(opted_in)
            on_rejects(reading.format, sorted([*chunk.rejects, *repeated, *unsendable]))
            on_progress(ImportProgress(reading.bytes, found.rows, found.valid, found.rejects))
    return found


class _Estimator:
    """Adds the messages of recipients to an estimate."""

    def __init__(
        self,
        ctx: Context,
        found: Estimate,
        account: Account,
        sender: str | None,
        survey: TextSurvey | None,
    ) -> None:
        self._ctx = ctx
        self._account = account
        self._sender = sender
        self._prices = ctx.settings.price_list
        self._found = found
        self._survey = survey

    def add(self, one: Candidate) -> Reject | None:
        """Count the message to one recipient; return a reject if it cannot be sent."""
        found, country = self._found, one.number.country
        segments = cost = 0
        if refusal := self._refusal(one.number):
            found.unsendable += 1
            return one.reject(refusal)
        if self._survey is not None:
            filled = self._survey.fill(one.variables)
            if filled.fault:
                found.unsendable += 1
                return one.reject(filled.fault)
            self._survey.add(one.written, one.variables, filled)
            segments = filled.segments
            cost = self._prices.of(country, segments)
        share = found.by_country.setdefault(country, CountryShare())
        share.messages += 1
        share.segments += segments
        share.cost += cost
        return None

    def _refusal(self, number: Msisdn) -> str:
        plan = routes.plan_for(
            self._ctx,
            self._account.id,
            number,
            tier=Tier.BULK,
            sender=self._sender,
            is_test=routes.is_simulated(self._ctx, number),
        )
        refusal = routes.refusal_for(self._ctx, self._account, number, plan)
        return refusal.reason if refusal else ""


async def _without_repeats(
    run: StatementRunner, chunk: RecipientChunk
) -> tuple[list[Candidate], list[Reject]]:
    numbers = [candidate.number.e164 for candidate in chunk.candidates]
    earlier = await run(lambda c: seen_numbers.lines_of(c, numbers))
    fresh, repeated = drop_repeats(chunk.candidates, earlier)
    lines = {candidate.number.e164: candidate.line for candidate in fresh}
    await run(lambda c: seen_numbers.add(c, lines))
    return fresh, repeated


async def _without_opted_out(
    run: StatementRunner, candidates: Sequence[Candidate], account: Account, sender_id: int | None
) -> list[Candidate]:
    keys = [(account.id, sender_id, candidate.number.e164) for candidate in candidates]
    opted_out = {number for _, _, number in await run(lambda c: opt_outs.find_opted_out(c, keys))}
    return [candidate for candidate in candidates if candidate.number.e164 not in opted_out]


async def _sender_name(ctx: Context, sender_id: int) -> str:
    return await ctx.database.single(lambda c: senders.name_of(c, sender_id))


async def _sender_id(ctx: Context, account: Account, sender: str | None) -> int | None:
    """Return the sender of this name, else the default one, if there is one. Raises NotFound."""
    if sender is not None:
        return await find_usable_sender(ctx, account, sender)
    return await ctx.database.single(lambda c: senders.find(c, account.id, None))
