"""Numbers as people and programs write them, and what they must become in every way in."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_suffix(".tsv")
_MORE = (
    ("0664/1234567", "AT", "+436641234567"),
    ("+43/664/1234567", "KE", "+436641234567"),
    ("(0712) 345 601", "KE", "+254712345601"),
    ("(+254) 712-345-601", "KE", "+254712345601"),
    ("+254.712.345.601", "KE", "+254712345601"),
    (
        "\N{FULLWIDTH PLUS SIGN}254\N{THIN SPACE}712\N{NO-BREAK SPACE}345601\N{ZERO WIDTH SPACE}",
        "KE",
        "+254712345601",
    ),
    ("٠٧١٢٣٤٥٦٠١", "KE", "+254712345601"),
    ("２５４７１２３４５６０１", "KE", "+254712345601"),
    ("+4366 4123 4567\N{VARIATION SELECTOR-14}", "KE", "+436641234567"),
    ("8 (912) 345-67-89", "RU", "+79123456789"),
    ("+7 (8) 912 345 67 89", "KE", "+79123456789"),
    ("+39 06 1234 5678", "KE", "+390612345678"),
    ("011254712345601", "US", "+254712345601"),
    ("810254712345601", "RU", "+254712345601"),
    ("0011254712345601", "AU", "+254712345601"),
    ("00254712345601", "US", "+254712345601"),
    ("00213661234567", "BR", "+213661234567"),
    ("sms:+254712345601", "KE", "+254712345601"),
    ("=254712345601", "KE", "+254712345601"),
    ("254712345601.5", "KE", None),
    ("4.36641E+11", "AT", None),
    ("43E10", "AT", None),
    ("+39 (0)331 1234567", "IT", None),  # 331 is a mobile's, 0331 is Busto Arsizio
    ("011 15-2345-6789", "AR", None),
    ("4601234", "AG", None),
    ("0712345615/16", "KE", None),
    ("0712345615/0712345616", "KE", None),
    ("0664 1234567 (2)", "AT", None),
    ("0712345615 or 0712345616", "KE", None),
    ("0712345615\n0712345616", "KE", None),
    ("tel:+254712345601;ext=5", "KE", None),
    ("tel:712345601;phone-context=+254", "KE", None),
    ("+254712345601 x12", "KE", None),
    ("+254712345601#5", "KE", None),
    ("+254712345601²", "KE", None),
    ("+254-712-FLOWER", "KE", None),
    ("-254712345601", "KE", None),
    ("=254712345601+1", "KE", None),
    ("++254712345601", "KE", None),
    ("+254+712345601", "KE", None),
    ("0712--345601", "KE", None),
    ("0712345601-", "KE", None),
)


@dataclass(frozen=True, slots=True)
class WrittenNumber:
    """A text, the account's country, the number that it must become (None: refused), or may be refused."""

    text: str
    country: str
    number: str | None
    may_be_refused: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is "+" and digits, and so accepted by the strictest documents."""
        return re.fullmatch(r"\+[0-9]+", self.text) is not None

    def allows(self, found: str | None) -> bool:
        """Return whether a way in may make this of it; None is refused."""
        return found == self.number or (found is None and self.may_be_refused)


def _read() -> Sequence[WrittenNumber]:
    with _FILE.open(encoding="utf-8", newline="") as source:
        rows = list(csv.reader(source, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    from_file = [
        WrittenNumber(written, country, None if wanted == "refused" else wanted[:13], "or" in wanted)
        for written, country, wanted in rows
    ]
    return [*from_file, *(WrittenNumber(*row) for row in _MORE)]


WRITTEN = _read()
"""The rows of the issue's table, and others of their kinds."""
