"""The numbers that people write, as arguments and in files of commands."""

import csv
import json
from pathlib import Path

from tests.cli.command import Run
from tests.written_numbers import WRITTEN

_KENYAN = [row for row in WRITTEN[:20] if row.country == "KE"]


def test_a_number_to_send_to_is_read_as_in_every_way_in(shop: Run) -> None:
    shop("sender", "add", "shop", "SHOP")
    for row in _KENYAN:
        ended = shop("send", f"--to={row.text}", "--text", "Hello", "--not-before", "+2h", "--json")
        ids = [str(message["id"]) for message in ended.json["messages"]] if ended.code == 0 else []
        sent = [shop("message", "show", id_, "--json").json["number"] for id_ in ids]
        assert row.allows(sent[0] if sent else None), (row, sent, ended.err)


def test_a_number_to_search_for_or_to_opt_out_is_read_as_in_every_way_in(shop: Run) -> None:
    for row in _KENYAN:
        added = shop("optout", "add", "shop", "--", row.text)
        numbers = [line["number"] for line in _listed(shop)]
        assert row.allows(numbers[0] if numbers else None), (row, numbers, added.err)
        if numbers:
            assert shop("optout", "remove", "shop", "--", row.text).code == 0, row
        searched = shop("inbound", "list", f"--number={row.text}", "--account", "shop", "--json")
        assert (searched.code == 0) == (row.number is not None), (row, searched.err)


def test_a_file_of_opt_outs_is_read_as_in_every_way_in(shop: Run, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    for row in _KENYAN:
        with file.open("w", encoding="utf-8", newline="") as target:
            csv.writer(target).writerows([["phone", "name"], [row.text, "Ann"]])
        ended = shop("optout", "import", "shop", str(file))
        numbers = [line["number"] for line in _listed(shop)]
        assert row.allows(numbers[0] if numbers else None), (row, numbers, ended.err)
        for number in numbers:
            shop("optout", "remove", "shop", number)


def _listed(shop: Run) -> list[dict[str, str]]:
    listed = shop("optout", "list", "shop", "--json")
    assert listed.code == 0, listed.err
    return [json.loads(line) if isinstance(line, str) else line for line in listed.json]
