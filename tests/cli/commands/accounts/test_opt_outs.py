"""`dispatcher optout`: add, list, remove, and import files with bad lines."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dispatcher.service.campaigns.recipient_file import CHUNK_ROWS as CHUNK
from tests.cli.command import Run, refused

CASES = Path(__file__).parents[3] / "cases" / "csv"


def test_numbers_are_opted_out_once(shop: Run) -> None:
    added = shop("optout", "add", "shop", "+254712345678", "0712345679", "--reason", "asked")
    assert added.out == "opted out of shop: 2 numbers, 2 of them new\n"
    assert shop("optout", "add", "shop", "0712345678", "--json").json == {
        "account": "shop",
        "numbers": 1,
        "new": 0,
    }
    header, first, second = shop("optout", "list", "shop").out.splitlines()
    assert header.split() == ["id", "number", "sender", "since", "(UTC)", "reason"]
    assert first.split()[1:3] == ["+254712345678", "all"]
    assert second.split()[-1] == "asked"


def test_one_bad_number_adds_none(shop: Run) -> None:
    refused(shop("optout", "add", "shop", "+254712345678", "twelve"), 2, "twelve")
    assert listed(shop) == []


def test_a_number_may_opt_out_of_one_sender(shop: Run) -> None:
    shop("sender", "add", "shop", "SHOP")
    shop("optout", "add", "shop", "+254712345678", "--sender", "SHOP")
    [one] = shop("optout", "list", "shop", "--json").json
    assert (one["number"], one["sender"]) == ("+254712345678", "SHOP")
    refused(shop("optout", "remove", "shop", "+254712345678"), 1, "+254712345678 has not opted out")
    assert shop("optout", "remove", "shop", "+254712345678", "--sender", "SHOP").code == 0
    refused(shop("optout", "add", "shop", "+254712345678", "--sender", "NONE"), 1, "no sender 'NONE'")


def test_a_removed_number_is_no_longer_opted_out(shop: Run) -> None:
    shop("optout", "add", "shop", "+254712345678")
    assert shop("optout", "remove", "shop", "0712345678").out == "0712345678 is no longer opted out of shop\n"
    assert listed(shop) == []


def test_a_long_list_says_how_to_continue(shop: Run) -> None:
    shop("optout", "add", "shop", *numbers(3))
    page = shop("optout", "list", "shop", "--limit", "2")
    assert page.err == "There may be more: --after 2\n"
    rest = shop("optout", "list", "shop", "--limit", "2", "--after", "2", "--json").json
    assert [one["number"] for one in rest] == numbers(3)[2:]


def test_a_file_has_one_number_per_line_or_in_the_first_column(shop: Run, tmp_path: Path) -> None:
    lines = [
        "\ufeffNumber;Name",
        '"+254 712 345 678";"Ada"',
        "",
        "0712345679;Bob",
        "+254712345680",
        "0712345681;",
    ]
    result = shop("optout", "import", "shop", written(tmp_path, "\r\n".join(lines)), "--reason", "moved in")
    assert (result.code, result.out) == (0, "opted out of shop: 4 lines, 4 numbers new\n")
    assert listed(shop) == ["+254712345678", "+254712345679", "+254712345680", "+254712345681"]


def test_bad_lines_are_reported_with_their_number_and_the_others_are_kept(shop: Run, tmp_path: Path) -> None:
    good = numbers(6)
    lines = [*good[:2], "twelve", *good[2:4], "", "+1", *good[4:]]
    result = shop("optout", "import", "shop", written(tmp_path, "\n".join(lines)))
    assert result.code == 1
    assert result.out == "opted out of shop: 8 lines, 2 left out, 6 numbers new\n"
    first, second = result.err.splitlines()
    assert first.startswith("line 3: ")
    assert "twelve" in first
    assert second.startswith("line 7: ")
    assert sorted(listed(shop)) == good


def test_a_file_of_several_chunks_is_imported_whole_and_can_be_imported_again(
    shop: Run, tmp_path: Path
) -> None:
    lines = numbers(2 * CHUNK + 1)
    lines[CHUNK] = "bad"
    file = written(tmp_path, "\n".join(lines))
    expected = {"account": "shop", "lines": 2001, "new": 2000, "bad": 1}
    assert shop("optout", "import", "shop", file, "--json").json == expected
    assert shop("optout", "import", "shop", file, "--json").json == expected | {"new": 0}
    assert len(shop("optout", "list", "shop", "--limit", "5000", "--json").json) == 2000


@pytest.mark.parametrize("case", sorted(CASES.glob("*.csv")), ids=lambda path: path.name)
def test_it_reads_whatever_an_import_of_recipients_reads(shop: Run, case: Path) -> None:
    made = shop("audience", "import", str(case), "--account", "shop", "--name", "x", "--json")
    shop("optout", "import", "shop", str(case))
    if made.code == 0:
        assert len(listed(shop)) >= made.json["recipients"]  # any plausible number may opt out


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\r\nname;phone\r\nAnn;+254712345678\r\nBob;0712345679\r\n".encode("utf-16"),
        b"customer,phone\n4711000,+254712345678\n4711001,0712345679\n",
        b"Ann,+254712345678\nBob,0712345679\n",
        b"Gesperrt\n+254712345678\n0712345679\n",
    ],
)
def test_a_file_may_have_any_form_and_needs_no_header(shop: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    assert shop("optout", "import", "shop", str(file)).code == 0
    assert listed(shop) == ["+254712345678", "+254712345679"]


def test_a_first_line_with_a_wrong_number_is_no_header(shop: Run, tmp_path: Path) -> None:
    result = shop("optout", "import", "shop", written(tmp_path, "+1\n+254712345678\n"))
    assert (result.code, result.err.split(":")[0]) == (1, "line 1")


def test_national_numbers_belong_to_the_country_that_is_given(shop: Run, tmp_path: Path) -> None:
    shop("optout", "import", "shop", written(tmp_path, "06 12 34 56 78\n"), "--country", "FR")
    assert listed(shop) == ["+33612345678"]


def test_the_column_with_the_numbers_is_suggested(shop: Run, tmp_path: Path) -> None:
    file = written(tmp_path, "name,Telefon\nAnn,+254712345678\n")
    refused(shop("optout", "import", "shop", file), 2, '"Telefon" seems to have them: --column "Telefon"')
    assert shop("optout", "import", "shop", file, "--column", "telefon").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.txt"], "missing.txt: No such file or directory"),
        (["numbers", "--sender", "NONE"], "account 'shop' has no sender 'NONE'"),
    ],
)
def test_an_import_that_cannot_begin_changes_nothing(
    shop: Run, tmp_path: Path, arguments: Sequence[str], words: str
) -> None:
    written(tmp_path, "+254712345678\n")
    refused(shop("optout", "import", "shop", *arguments), 1, words)
    assert listed(shop) == []


def listed(shop: Run) -> list[str]:
    return [one["number"] for one in shop("optout", "list", "shop", "--json").json]


def numbers(count: int) -> list[str]:
    return [f"+2547120{place:05}" for place in range(count)]


def written(directory: Path, text: str) -> str:
    (directory / "numbers").write_text(text, encoding="utf-8", newline="")
    return str(directory / "numbers")
