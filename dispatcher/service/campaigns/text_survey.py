"""The texts of recipients as they will read: the first ones, and how many have how many segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages import template
from dispatcher.domain.messages.template import MissingVariables
from dispatcher.service.context import Context
from dispatcher.service.submissions import templates
from dispatcher.service.submissions.validate import measure_text
from dispatcher.service.yielding import yielding
from dispatcher.store.campaigns import audiences, recipients
from dispatcher.store.campaigns.campaigns import CampaignRow

_FIRST = 3
_TEXTS = 1024  # the size of the cache of segments: texts without variables, or with few values, repeat
_PAGE = 1000
_MOST = 10_000  # recipients of an audience that are read: a few tenths of a second


@dataclass(frozen=True, slots=True)
class FilledText:
    """One recipient's text and its segments; `fault` says why it cannot be sent, "" if it can."""

    text: str
    segments: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class SampleText:
    """The text to one number, as it will read."""

    number: str
    text: str
    segments: int


@dataclass(slots=True)
class TextSummary:
    """
    What was seen of the texts to `texts` recipients.

    `first` has the first three. `segments` counts the texts by their number of
    segments, `empty` those that have nothing in place of a variable, by its
    name. `warnings` are sentences on the text itself.
    """

    texts: int = 0
    first: list[SampleText] = field(default_factory=list)
    segments: dict[int, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class TextSurvey:
    """Fills in a text for one recipient after another, and sums up what it sees."""

    def __init__(self, ctx: Context, text: str) -> None:
        self.summary = TextSummary()
        self._text = text
        self._names = template.variables(text)
        self._measured = lru_cache(_TEXTS)(lambda filled: _measured(ctx, filled))

    def check(self, columns: Sequence[str], *, of: str) -> None:
        """Raise Invalid unless these columns `of` a file or an audience fill all braces of the text."""
        stray = template.stray_braces(self._text)
        faults = [f"has braces that nothing fills: {stray}"] if stray else []
        faults += template.unknown_names(self._text, columns, of=of)
        if faults:
            raise Invalid(f"the text {'; it '.join(faults)}")
        self.summary.warnings[:] = template.warnings(self._text, columns)

    def fill(self, variables: Mapping[str, str]) -> FilledText:
        """Return the text for a recipient with these variables."""
        try:
            text = template.render(self._text, variables)
        except MissingVariables as error:
            return FilledText(self._text, 0, str(error))
        return FilledText(text, *self._measured(text))

    def add(self, number: str, variables: Mapping[str, str], filled: FilledText) -> None:
        """Count a text that can be sent."""
        summary = self.summary
        summary.texts += 1
        summary.segments[filled.segments] = summary.segments.get(filled.segments, 0) + 1
        if len(summary.first) < _FIRST:
            summary.first.append(SampleText(number, filled.text, filled.segments))
        for name in self._names:
            if not variables.get(name, "-").strip():
                summary.empty[name] = summary.empty.get(name, 0) + 1


async def survey_campaign(ctx: Context, campaign: CampaignRow) -> TextSummary:
    """Return the summary of a campaign's texts to the first recipients of its audience, at most 10,000."""
    survey = TextSurvey(ctx, campaign.terms.text)
    audience_id, after = campaign.terms.audience_id, 0
    audience = await ctx.database.single(lambda c: audiences.by_id(c, audience_id))
    survey.check(audience.columns, of="audience")
    while after < _MOST:
        found = await ctx.database.single(
            lambda c: recipients.page(c, audience_id, after=after, limit=_PAGE)  # noqa: B023 awaited here
        )
        async for one in yielding(found):
            filled = survey.fill(one.variables)
            if not filled.fault:
                survey.add(one.number, one.variables, filled)
        if len(found) < _PAGE:
            break
        after = found[-1].position
    return survey.summary


async def text_of(ctx: Context, account: Account, *, text: str | None, template_id: str | None) -> str | None:
    """Return a text, or that of a template; None without either. Raises Invalid for both, and NotFound."""
    if template_id is None:
        return text
    if text is not None:
        raise Invalid("give a text or a template, not both")
    return (await templates.find(ctx, account, template_id)).text


def _measured(ctx: Context, text: str) -> tuple[int, str]:
    """Return the segments of a text, and why it cannot be sent."""
    if not text.strip():
        return 0, "the text is empty"
    _, segments, faults = measure_text(ctx, text)
    return segments, "; ".join(map(str, faults))
