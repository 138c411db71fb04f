"""The tutorial of campaigns, followed to the letter on a stack that `dispatcher up` started."""

import csv
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.cli.commands.test_up import Up
from tests.docs.scratch import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAGE = (ROOT / "docs" / "campaign-tutorial.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(csv|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CORRECTION = re.compile(r"^\| (\d+) \| (delete|the number is `(.+?)`|the `x` goes).*\|$", re.MULTILINE)
_VARIABLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path)
    made.data = tmp_path / ".data"  # where commands look for a stack
    try:
        made.start()
        yield made
    finally:
        made.close()


def blocks(kind: str) -> list[str]:
    return [text for found, text in _BLOCK.findall(PAGE) if found == kind]


def commands() -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each command of the page, with the lines that the page says it prints."""
    for block in blocks("console"):
        for part in block.split("$ dispatcher ")[1:]:
            command, *printed = part.splitlines()
            yield command, printed


def normalized(lines: Sequence[str]) -> list[str]:
    """Return lines without what is another in each run; the two outputs may come in any order."""
    return sorted(_VARIABLE.sub("…", line).rstrip() for line in lines)


def correct(file: Path) -> None:
    """Make the corrections that the page lists, as a spreadsheet saves them."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        header, *rows = list(csv.reader(source, delimiter=";"))
    corrections = {line: (what, number) for line, what, number in _CORRECTION.findall(PAGE)}
    assert [row[0] for row in rows] == sorted(corrections)
    kept = []
    for row in rows:
        what, number = corrections[row[0]]
        row[2] = number or row[2]
        row[:] = ["" if cell == "x" else cell for cell in row]
        kept += [] if what == "delete" else [row]
    with file.open("w", encoding="utf-8-sig", newline="") as target:
        csv.writer(target, delimiter=";").writerows([header, *kept])


def test_the_tutorial_leads_from_a_spreadsheet_to_the_results(up: Up) -> None:
    table = blocks("csv")[0]
    (up.home / "customers.csv").write_bytes(table.replace("\n", "\r\n").encode("cp1252"))
    for command, printed in commands():
        if "import rejects.csv" in command:
            correct(up.home / "rejects.csv")
        done = up.run(*shlex.split(command))
        out = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        assert done.returncode == (2 if "dispatcher: " in "".join(printed) else 0), out
        if printed:
            assert normalized(out) == normalized(printed), command
        if "customers-2" in command and "import" in command:
            assert {"recipients             3", "texts: 3 with 1 segment"} <= set(out)
    with (up.home / "results.csv").open(encoding="utf-8-sig", newline="") as source:
        found = list(csv.DictReader(source, delimiter=";"))
    assert list(found[0]) == blocks("csv")[1].splitlines()[0].split(";")
    assert [(row["number"], row["First name"]) for row in found] == [
        ("'+254712345678", "Ann"),
        ("'+254712345679", "Zoë"),
        ("'+254712345680", "Li; Chen"),
    ]
    assert {row["status"] for row in found} <= {"sent", "received"}
    sent = up.run("campaign", "results", "moved-2").stdout
    assert [row["number"] for row in csv.DictReader(sent.splitlines(), delimiter=";")] == [
        "'+254712345681",
        "'+254712345682",
        "'+254712345684",
    ]
