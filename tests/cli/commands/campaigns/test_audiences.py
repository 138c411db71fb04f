"""`dispatcher audience`: import, dry run, list, remove."""

import csv
import os
from pathlib import Path

import pytest

from tests.cli.command import Run, refused

ADA, BOB, EVE = "+254712345678", "+254712345679", "+33612345678"


@pytest.fixture(autouse=True)
def provider(bare: Path) -> None:
    """Configure a provider for all countries; without one a dry run finds nothing that could be sent."""
    os.environ["DISPATCHER_PROVIDERS"] = (
        '[{"name": "net", "plugin": "http", "options": {"url": "http://127.0.0.1:1"}}]'
    )


@pytest.fixture
def customers(tmp_path: Path) -> str:
    """Return a file with three recipients, an invalid number and a repeated one."""
    lines = ["Phone;name", f"{ADA};Ada", "0712 345 679;Bob", "twelve;Eve", f"{ADA};Ada", f"{EVE};Eve"]
    return written(tmp_path / "customers.csv", "\r\n".join(lines))


def written(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8", newline="")
    return str(file)


def imported(shop: Run, file: str, *options: str, name: str = "customers") -> None:
    assert shop("audience", "import", file, "--account", "shop", "--name", name, *options).code == 0


def names(shop: Run) -> list[str]:
    return [one["name"] for one in shop("audience", "list", "--account", "shop", "--json").json]


def read(file: Path | str) -> list[list[str]]:
    with Path(file).open(encoding="utf-8-sig", newline="") as source:
        return list(csv.reader(source, delimiter=";"))


def test_an_import_with_rejects_succeeds_and_says_where_they_are(shop: Run, customers: str) -> None:
    result = shop("audience", "import", customers, "--account", "shop", "--name", "customers")
    assert result.code == 0
    first, reading, *table, variables = result.out.splitlines()
    assert reading == "read as utf-8, separated by semicolon"
    assert first.startswith("audience customers of shop is ready, id ")
    assert [line.split() for line in table] == [
        ["count"],
        ["rows", "5"],
        ["recipients", "3"],
        ["rejects", "2"],
        ["in", "Africa/Nairobi", "2"],
        ["in", "Europe/Paris", "1"],
    ]
    assert variables == "variables: name"
    assert result.err == (
        "2 lines were rejected: `dispatcher audience rejects customers --account shop` writes them\n"
    )


def test_rejects_are_written_to_a_file_or_to_standard_output(
    shop: Run, customers: str, tmp_path: Path
) -> None:
    file = tmp_path / "rejects.csv"
    result = shop(
        "audience", "import", customers, "--account", "shop", "--name", "customers", "--rejects", str(file)
    )
    assert result.err == f"2 lines were rejected: they are in {file}\n"
    header, first, second = read(file)
    assert header == ["reject_line", "reject_reason", "Phone", "name"]
    assert (first[0], *first[2:]) == ("4", "twelve", "Eve")
    assert second == ["5", "same number as line 2", f"'{ADA}", "Ada"]
    printed = shop("audience", "rejects", "customers", "--account", "shop").out
    assert list(csv.reader(printed.splitlines(), delimiter=";")) == read(file)
    again = tmp_path / "again.csv"
    assert shop("audience", "rejects", "customers", "--account", "shop", "--output", str(again)).out == ""
    assert again.read_bytes() == file.read_bytes()


def test_json_output_has_the_same_values(shop: Run, customers: str) -> None:
    created = shop("audience", "import", customers, "--account", "shop", "--name", "customers", "--json").json
    assert (created["rows"], created["recipients"], created["rejects"]) == (5, 3, 2)
    assert created["zones"] == {"Africa/Nairobi": 2, "Europe/Paris": 1}
    assert shop("audience", "show", created["id"], "--account", "shop", "--json").json == created
    assert shop("audience", "list", "--account", "shop", "--json").json == [created]


def test_options_say_how_to_read_the_file(shop: Run, tmp_path: Path) -> None:
    file = tmp_path / "french.csv"
    file.write_bytes("tel|prénom, nom\n06 12 34 56 78|Zoë\n".encode("cp1252"))
    options = ["--country", "FR", "--column", "tel", "--encoding", "cp1252", "--separator", "|"]
    imported(shop, str(file), *options)
    [one] = shop("audience", "list", "--account", "shop", "--json").json
    assert (one["columns"], one["recipients"]) == (["prénom, nom"], 1)


def test_a_dry_run_counts_by_country_and_stores_nothing(shop: Run, customers: str) -> None:
    shop("optout", "add", "shop", BOB)
    result = shop(
        "audience",
        "import",
        customers,
        "--account",
        "shop",
        "--dry-run",
        "--text",
        "Dear {{name}}" + "x" * 155,
    )
    assert (result.code, names(shop)) == (0, [])
    reading, *table = result.out.splitlines()
    assert reading == "read as utf-8, separated by semicolon"
    assert table[-3:] == [
        f"{ADA}, 2 segments: Dear Ada" + "x" * 155,
        f"{EVE}, 2 segments: Dear Eve" + "x" * 155,
        "texts: 2 with 2 segments",
    ]
    assert [line.split() for line in table[:-3]] == [
        ["count"],
        ["rows", "5"],
        ["valid", "3"],
        ["invalid", "1"],
        ["repeated", "1"],
        ["opted", "out", "1"],
        ["unsendable", "0"],
        ["country", "messages", "segments", "cost"],
        ["FR", "1", "2", "2"],
        ["KE", "1", "2", "2"],
        ["all", "2", "4", "4"],
    ]
    assert result.err == "2 lines would get no message: --rejects FILE writes them\n"


def test_a_dry_run_without_a_text_has_no_price(shop: Run, customers: str) -> None:
    result = shop("audience", "import", customers, "--account", "shop", "--dry-run")
    assert result.out.splitlines()[-4].split() == ["country", "messages"]
    assert result.out.splitlines()[-1].split() == ["all", "3"]


def test_an_import_shows_how_a_text_will_read(shop: Run, customers: str) -> None:
    options = ("--account", "shop", "--name", "customers", "--text", "Hi {{ NAME }} {name}")
    result = shop("audience", "import", customers, *options)
    assert result.out.splitlines()[-4:] == [
        f"{ADA}, 1 segment: Hi Ada {{name}}",
        "0712 345 679, 1 segment: Hi Bob {name}",
        f"{EVE}, 1 segment: Hi Eve {{name}}",
        "texts: 3 with 1 segment",
    ]
    assert "careful: {name} is sent as it stands: write {{name}}" in result.err


def test_a_file_of_rejects_is_corrected_and_imported_again(shop: Run, tmp_path: Path) -> None:
    lines = ["phone,name", "+254712345601,\"=cmd|'/c calc'!A1\"", 'bad,"=HYPERLINK(""http://x"")"', "@bad,x"]
    rejects = tmp_path / "rejects.csv"
    imported(shop, written(tmp_path / "all.csv", "\n".join(lines)), "--rejects", str(rejects))
    with rejects.open(encoding="utf-8-sig", newline="") as source:
        header, *found = list(csv.reader(source))
    assert [row[2:] for row in found] == [["bad", '\'=HYPERLINK("http://x")'], ["'@bad", "x"]]
    found[0][2], found[1][2] = "+254712345602", "'+254712345603"
    again = tmp_path / "again.csv"
    with again.open("w", encoding="utf-8-sig", newline="") as target:
        csv.writer(target, delimiter=";").writerows([header, *found])
    text = ("--text", "{{name}}", "--json")
    done = shop("audience", "import", str(again), "--account", "shop", "--name", "rest", *text).json
    assert (done["recipients"], done["columns"]) == (2, ["name"])
    assert [one["text"] for one in done["texts"]["first"]] == ['=HYPERLINK("http://x")', "x"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, "--name"),
        (["--name", "a/b"], 2, "no slash"),
        (["--name", "x", "--sender", "SHOP"], 2, "--dry-run"),
        (["--name", "x", "--text", "Hi {{nick}}"], 2, "names nick, which the file has no column for"),
        (["--dry-run", "--text", "Hi {{name}"], 2, "has braces that nothing fills: '{{name}'"),
        (["--name", "x", "--column", "mobile"], 2, 'no column is named "mobile"'),
        (["--name", "x", "--country", "kenya"], 2, "'kenya' is not a country"),
        (["--name", "x", "--encoding", "klingon"], 2, "klingon"),
        (["--name", "taken"], 1, "'taken' exists already"),
        (["--dry-run", "--template", "none"], 1, "no template 'none'"),
        (["--dry-run", "--sender", "NOBODY"], 1, "no sender 'NOBODY'"),
    ],
)
def test_an_import_that_cannot_begin_changes_nothing(
    shop: Run, customers: str, options: list[str], code: int, words: str
) -> None:
    imported(shop, customers, name="taken")
    refused(shop("audience", "import", customers, "--account", "shop", *options), code, words)
    assert names(shop) == ["taken"]


def test_a_missing_file_is_named(shop: Run) -> None:
    result = shop("audience", "import", "missing.csv", "--account", "shop", "--name", "x")
    refused(result, 1, "missing.csv: No such file or directory")


def test_a_file_without_any_recipient_blocks_no_name(shop: Run, customers: str, tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.csv", "to\ntwelve\n")
    result = shop("audience", "import", bad, "--account", "shop", "--name", "customers")
    refused(result, 2, "no recipient; line 2")
    [one] = shop("audience", "list", "--account", "shop", "--json").json
    assert (one["state"], one["rejects"]) == ("importing", 1)
    imported(shop, customers)


def test_audiences_are_listed_page_by_page_and_removed(shop: Run, customers: str) -> None:
    for name in ("a", "b", "c"):
        imported(shop, customers, name=name)
    page = shop("audience", "list", "--account", "shop", "--limit", "2")
    header, first, _ = page.out.splitlines()
    assert header.split() == ["id", "name", "state", "recipients", "rejects", "created", "(UTC)"]
    assert first.split()[1:5] == ["a", "ready", "3", "2"]
    assert page.err == f"There may be more: --after {page.out.splitlines()[-1].split()[0]}\n"
    result = shop("audience", "remove", "b", "--account", "shop")
    assert result.out == "audience b of shop is removed\n"
    assert names(shop) == ["a", "c"]
    refused(shop("audience", "remove", "b", "--account", "shop"), 1, "no audience 'b'")
