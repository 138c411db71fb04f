"""The report of a process on itself, as Redis keeps it."""

import json
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta

from dispatcher.domain.accounts.failed_logins import NONE_FAILED, FailedLoginCount


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """
    What a process says of itself at `at`, by the time of Postgres.

    `queues` are those that it consumes. `ahead` is how far the wall clock of
    its machine is ahead of Postgres; negative if it is behind. `consumed` is
    when a worker last took a probe out of its own queue, None if never.
    `failed_logins` are those of an API process.
    """

    name: str
    host: str
    pid: int
    queues: frozenset[str]
    started: datetime
    at: datetime
    ahead: timedelta
    consumed: datetime | None = None
    failed_logins: FailedLoginCount = NONE_FAILED

    @property
    def key(self) -> str:
        """Its name among all processes."""
        return f"{self.name}@{self.host}:{self.pid}"

    def __str__(self) -> str:
        """Return its name for operators."""
        return f"{self.name} (process {self.pid} on {self.host})"


def write_report(report: ProcessReport) -> str:
    """Return a report as JSON."""
    return json.dumps(
        {
            "name": report.name,
            "host": report.host,
            "pid": report.pid,
            "queues": sorted(report.queues),
            "started": report.started.timestamp(),
            "at": report.at.timestamp(),
            "ahead": report.ahead.total_seconds(),
            "consumed": None if report.consumed is None else report.consumed.timestamp(),
            "failed_logins": astuple(report.failed_logins),
        }
    )


def read_report(raw: bytes) -> ProcessReport | None:
    """Return a report; None if another version wrote it in another form."""
    try:
        found = json.loads(raw)
        return ProcessReport(
            name=found["name"],
            host=found["host"],
            pid=found["pid"],
            queues=frozenset(found["queues"]),
            started=datetime.fromtimestamp(found["started"], UTC),
            at=datetime.fromtimestamp(found["at"], UTC),
            ahead=timedelta(seconds=found["ahead"]),
            consumed=None if found["consumed"] is None else datetime.fromtimestamp(found["consumed"], UTC),
            failed_logins=FailedLoginCount(*found["failed_logins"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
