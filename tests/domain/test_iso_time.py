"""One reader of ISO 8601 for all doors; "t" and "z" may be small letters (RFC 3339, section 5.6)."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

import dispatcher
from dispatcher.api.dialects.smsgate import mapping
from dispatcher.api.manage.fields import Time
from dispatcher.cli.times import read_time
from dispatcher.domain.iso_time import read_iso_time

AT = datetime(2026, 12, 24, 18, 30, tzinfo=UTC)
WRITTEN = [
    "2026-12-24T18:30:00Z",
    "2026-12-24t18:30:00z",
    "2026-12-24t19:30:00+01:00",
    "2026-12-24T18:30:00z",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_small_letters_are_read_like_capital_ones(text: str) -> None:
    assert read_iso_time(text) == AT
    assert read_time(text, now=AT, timezone="Africa/Nairobi", option="--at") == AT
    assert mapping.read_time(text) == AT
    assert TypeAdapter(Time).validate_python(text) == AT


def test_without_an_offset_it_is_naive() -> None:
    assert read_iso_time("2026-12-24t18:30").replace(tzinfo=ZoneInfo("UTC")) == AT
    with pytest.raises(ValueError, match="isoformat"):
        read_iso_time("tomorrow")


def test_no_door_has_a_reader_of_its_own() -> None:
    root = Path(dispatcher.__file__).parent
    own = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        if re.search(r"datetime\.fromisoformat\(", file.read_text(encoding="utf-8"))
    }
    # What we have written ourselves, into Redis, a stored response and a row, is read as it was written.
    assert own == {
        "domain/iso_time.py",
        "lanes/wake.py",
        "lanes/breaker.py",
        "lanes/refusals.py",
        "producer/requests.py",
        "store/messages/views.py",
    }
