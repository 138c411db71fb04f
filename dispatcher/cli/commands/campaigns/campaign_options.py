"""The options of `campaign create` and `campaign change`, and the campaign plan they give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from dispatcher.cli.commands.accounts.hours import read_hours
from dispatcher.cli.times import read_day, read_duration, read_time
from dispatcher.cli.values import NONE, read_text, read_whole_number
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.zones import parse_zone
from dispatcher.domain.tier import Tier

CampaignName = Annotated[
    str, typer.Argument(metavar="NAME", help="The campaign's name or id.", show_default=False)
]

OPTIONS: Mapping[str, str] = {
    "name": "NAME",
    "audience_id": "--audience",
    "text": "--text",
    "template_id": "--template",
    "sender": "--sender",
    "tier": "--tier",
    "validity": "--validity",
    "timezone": "--timezone",
    "at": "--at",
    "cron": "--cron",
    "first_day": "--from",
    "last_day": "--until",
    "spread": "--spread",
    "per_second": "--per-second",
    "hours": "--hours",
    "max_cost": "--max-cost",
    "callback_url": "--callback-url",
}
"""The option or argument of each field of a plan."""


@dataclass(frozen=True, slots=True)
class CampaignOptions:
    """The options as typed; None means that an option was not given."""

    audience: Annotated[
        str | None, typer.Option("--audience", metavar="LIST", help="The audience, by name or id.")
    ] = None
    text: Annotated[
        str | None, typer.Option(help='The text, with {{name}} for a column; "-" reads stdin.')
    ] = None
    template: Annotated[
        str | None, typer.Option(metavar="ID", help="A template of the account, instead of a text.")
    ] = None
    sender: Annotated[str | None, typer.Option(help="The sender. Default: the account's default sender.")] = (
        None
    )
    tier: Annotated[Tier | None, typer.Option(help="The tier.", show_default="bulk")] = None
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Run once, at this time; also +2h.")] = None
    now: Annotated[bool, typer.Option("--now", help="Run once, as soon as it is started.")] = False
    cron: Annotated[str | None, typer.Option(metavar="CRON", help='Run repeatedly, like "0 9 * * MON".')] = (
        None
    )
    timezone: Annotated[
        str | None, typer.Option(metavar="TZ", help="Time zone of its times. Default: the account's.")
    ] = None
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="With --cron: the first day.")
    ] = None
    last: Annotated[str | None, typer.Option("--until", metavar="DAY", help="With --cron: the last day.")] = (
        None
    )
    spread: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="Send evenly over this time, like 3h.")
    ] = None
    per_second: Annotated[
        str | None, typer.Option("--per-second", metavar="N", help="Send at most N messages per second.")
    ] = None
    hours: Annotated[
        str | None,
        typer.Option(help='When recipients may be written to, like "mon-fri 08:00-20:00", or a .json file.'),
    ] = None
    validity: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="How long each message may be sent, like 24h.")
    ] = None
    max_cost: Annotated[
        str | None, typer.Option("--max-cost", metavar="N", help="Maximum credits of a run.")
    ] = None
    callback_url: Annotated[
        str | None, typer.Option("--callback-url", metavar="URL", help="URL that gets each event.")
    ] = None

    def fields(self, account: Account, *, now: datetime) -> dict[str, object]:
        """
        Return the given options by the field names of CampaignPlan; the word `none` becomes None.

        Raises Invalid, which names the option.
        """
        if self.now and self.at is not None:
            raise Invalid("--now and --at contradict each other: give one of them")
        fields: dict[str, object] = {} if self.tier is None else {"tier": self.tier}
        if self.now:
            fields["at"] = now
        zone = parse_zone(self.timezone or account.timezone).key
        readers: Mapping[str, tuple[str | None, Callable[[str], object]]] = {
            "audience_id": (self.audience, str),
            "text": (self.text, read_text),
            "template_id": (self.template, str),
            "sender": (self.sender, str),
            "at": (self.at, lambda typed: read_time(typed, now=now, timezone=zone, option="--at")),
            "cron": (self.cron, str),
            "timezone": (self.timezone, str),
            "first_day": (self.first, lambda typed: read_day(typed, option="--from")),
            "last_day": (self.last, lambda typed: read_day(typed, option="--until")),
            "spread": (self.spread, lambda typed: read_duration(typed, option="--spread")),
            "per_second": (self.per_second, _rate),
            "hours": (self.hours, lambda typed: read_hours(typed).as_dict()),
            "validity": (self.validity, lambda typed: read_duration(typed, option="--validity")),
            "max_cost": (self.max_cost, lambda typed: read_whole_number("--max-cost", typed)),
            "callback_url": (self.callback_url, str),
        }
        for field, (typed, read) in readers.items():
            if typed is not None:
                fields[field] = None if typed == NONE and field in _CLEARABLE else read(typed)
        return fields


# The word `none` clears only these: a text or a name may be that word.
_CLEARABLE = frozenset(
    {"first_day", "last_day", "spread", "per_second", "hours", "validity", "max_cost", "callback_url"}
)


def _rate(typed: str) -> float:
    try:
        return float(typed)
    except ValueError:
        raise Invalid(f"--per-second {typed!r} is not a number: give one like 50 or 0.5") from None
