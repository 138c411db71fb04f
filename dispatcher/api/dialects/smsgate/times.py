"""Times as upstream formats and reads them: RFC 3339, and UTC where no zone is named."""

import re
from datetime import UTC, datetime

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
_EPOCH = datetime.fromtimestamp(0, UTC)
_LOST_PLUS = re.compile(r" ([0-9]{2}:?[0-9]{2})$")


def written(at: datetime) -> str:
    """Format a time in UTC with milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def read(text: str) -> datetime:
    """Return the time of a text, within what a database can store. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    # Compared before it is converted: at the calendar's ends a conversion overflows.
    return min(max(at, _EPOCH), NEVER).astimezone(UTC)


def read_query(text: str) -> datetime:
    """Return a time of a query, where a "+" that was not encoded has become a blank. Raises ValueError."""
    try:
        return read(text)
    except ValueError:
        return read(_LOST_PLUS.sub(r"+\1", text))
