"""Output of campaigns: lines for people, JSON for programs, and a progress bar while a run is sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Column

from dispatcher.cli.commands.accounts.hours import format_hours
from dispatcher.cli.console import console, print_note
from dispatcher.cli.status_words import status_label
from dispatcher.domain.campaigns.pacing import Rate, Spread
from dispatcher.domain.duration import format_duration
from dispatcher.domain.messages.status import OPEN
from dispatcher.service.campaigns.campaigns import CampaignReport, CampaignRow
from dispatcher.service.campaigns.drafts import CampaignNames
from dispatcher.service.campaigns.progress import RunReport


def campaign_json(campaign: CampaignRow, names: CampaignNames) -> dict[str, object]:
    """Return a campaign for JSON; durations are in seconds."""
    terms, pacing = campaign.terms, campaign.terms.pacing
    return {
        "id": campaign.public_id,
        "name": terms.name,
        "state": campaign.state,
        "reason": campaign.reason,
        "audience": names.audience,
        "recipients": names.recipients,
        "text": terms.text,
        "template_id": names.template_id,
        "sender": names.sender,
        "tier": terms.tier,
        "validity_seconds": terms.message_validity.total_seconds(),
        "timezone": terms.timezone,
        "at": terms.first_at,
        "cron": terms.cron,
        "first_day": terms.first_day,
        "last_day": terms.last_day,
        "spread_seconds": pacing.over.total_seconds() if isinstance(pacing, Spread) else None,
        "per_second": pacing.per_second if isinstance(pacing, Rate) else None,
        "hours": None if terms.hours is None else terms.hours.as_dict(),
        "max_cost": terms.max_cost,
        "callback_url": terms.callback_url,
        "next_due": campaign.next_due,
        "paused_at": campaign.paused_at,
        "created_at": campaign.created_at,
    }


def run_json(found: RunReport) -> dict[str, object]:
    """Return a run for JSON."""
    run, forecast = found.run, found.forecast
    return {
        "due_at": run.due_at,
        "starts_at": run.starts_at,
        "state": run.state,
        "reason": run.reason,
        "recipients": run.total,
        "done": run.position,
        "messages": run.messages,
        "left_out": run.left_out,
        "statuses": {status_label(status): count for status, count in sorted(found.statuses.items())},
        "cost": found.cost,
        "released_at": forecast and forecast.released,
        "through_at": forecast and forecast.through,
        "limit": found.limit,
        "batch_id": run.batch_public_id,
        "finished_at": run.finished_at,
    }


def report_lines(report: CampaignReport, names: CampaignNames) -> Iterator[str]:
    """Yield the lines on a campaign and its latest runs; times are in its time zone."""
    campaign, terms = report.campaign, report.campaign.terms
    zone = ZoneInfo(terms.timezone)
    state = f"{campaign.state}, {campaign.reason}" if campaign.reason else str(campaign.state)
    yield f"{terms.name}: {state}"
    yield f"  id        {campaign.public_id}"
    yield f"  to        {names.recipients:,} recipients of {names.audience}"
    yield f"  text      {' '.join(terms.text.split())}"
    yield f"  as        {names.sender}, {terms.tier}, valid for {format_duration(terms.message_validity)}"
    yield f"  when      {describe_schedule(campaign)}"
    if campaign.next_due:
        yield f"  next due  {_local_time(campaign.next_due, zone)}"
    if terms.pacing:
        yield f"  pacing    {_pacing(campaign)}"
    if terms.hours:
        yield f"  hours     {format_hours(terms.hours)}"
    if terms.max_cost:
        yield f"  at most   {terms.max_cost:,} credits a run"
    for found in report.runs:
        yield from _run(found, zone)


def describe_schedule(campaign: CampaignRow) -> str:
    """Return when a campaign runs, as text: "once, …" or its cron expression."""
    terms = campaign.terms
    if terms.first_at:
        return f"once, {_local_time(terms.first_at, ZoneInfo(terms.timezone))}"
    days = f" from {terms.first_day}" * (terms.first_day is not None)
    days += f" until {terms.last_day}" * (terms.last_day is not None)
    return f"{terms.cron} in {terms.timezone}{days}"


@contextmanager
def progress_bar() -> Iterator[Callable[[CampaignReport], None]]:
    """Yield a function that shows the progress of the latest run: a bar on a terminal, else changed lines."""
    out = console(stderr=True, soft_wrap=False)
    if not out.is_terminal:
        yield _ChangedLines()
        return
    words = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    columns = (words, BarColumn(bar_width=None), TaskProgressColumn())
    with Progress(*columns, console=out, transient=True, expand=True) as progress:
        task = progress.add_task("", total=None)

        def update(report: CampaignReport) -> None:
            found = report.runs[0] if report.runs else None
            total, completed = (found.run.total, _count_sent(found)) if found else (None, 0)
            progress.update(task, total=total, completed=completed, description=_bar_words(report))

        yield update


class _ChangedLines:
    def __init__(self) -> None:
        self._last = ""

    def __call__(self, report: CampaignReport) -> None:
        line = _progress_line(report)
        if line != self._last:
            print_note(line)
        self._last = line


def _progress_line(report: CampaignReport) -> str:
    campaign = report.campaign
    zone = ZoneInfo(campaign.terms.timezone)
    if not report.runs:
        due = f", next due {_local_time(campaign.next_due, zone)}" if campaign.next_due else ""
        return f"{campaign.state}{due}"
    found = report.runs[0]
    through = found.forecast.through if found.forecast else None
    end = f", through by {_local_time(through, zone)}" if through else ""
    return f"{_state(report)}: {_count_sent(found):,} of {found.run.total:,} sent or ended{end}"


def _bar_words(report: CampaignReport) -> str:
    """Return the words beside the bar, which leave it room on 80 columns."""
    if not report.runs:
        return _progress_line(report)
    found, zone = report.runs[0], ZoneInfo(report.campaign.terms.timezone)
    through = found.forecast.through if found.forecast else None
    end = f", until {through.astimezone(zone):%a %H:%M}" if through and not report.campaign.paused_at else ""
    return f"{_state(report)}: {_count_sent(found):,} of {found.run.total:,}{end}"


def _state(report: CampaignReport) -> str:
    """Return the state of the latest run, or that its campaign is paused."""
    run = report.runs[0].run
    return "paused" if report.campaign.paused_at and not run.finished_at else str(run.state)


def _count_sent(found: RunReport) -> int:
    return sum(count for status, count in found.statuses.items() if status not in OPEN)


def _run(found: RunReport, zone: ZoneInfo) -> Iterator[str]:
    run = found.run
    reason = f" ({run.reason})" if run.reason else ""
    yield f"run of {_local_time(run.due_at, zone)}: {run.state}{reason}"
    left_out = f", {run.left_out:,} left out" if run.left_out else ""
    yield f"  messages  for {run.position:,} of {run.total:,} recipients{left_out}; {found.cost:,} credits"
    for status, count in sorted(found.statuses.items()):
        yield f"  {count:>9,}  {status_label(status)}"
    if found.forecast:
        through = found.forecast.through
        yield f"  released  by {_local_time(found.forecast.released, zone)}"
        end = f"by {_local_time(through, zone)}" if through else "at an unknown time"
        yield f"  through   {end}. {found.limit}"


def _pacing(campaign: CampaignRow) -> str:
    match campaign.terms.pacing:
        case Spread(over):
            return f"evenly over {format_duration(over)}"
        case Rate(per_second):
            return f"at most {per_second:g} a second"
    return "all at once"


def _local_time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}"
