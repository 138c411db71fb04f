"""What spreadsheet programs write, and what else people hand in as a file of recipients."""

import ast
import codecs
import csv
import gzip
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.campaigns.csv_cells import cells_of, csv_line, guard, join_cells, unguard
from dispatcher.domain.campaigns.csv_header import SEPARATORS
from dispatcher.domain.campaigns.csv_recipients import (
    InvalidRow,
    RecipientRow,
    RecipientSheet,
    read_recipients,
)
from dispatcher.domain.campaigns.csv_rejects import FileFormat, reject_header, reject_line
from dispatcher.domain.campaigns.file_kinds import refuse_other_names
from dispatcher.domain.errors import Invalid
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases" / "csv"
KENYA = NumberPolicy(default_country="KE", national=True, lenient=True)


def is_number(field: str) -> bool:
    try:
        parse(field.strip(), KENYA)
    except InvalidNumber:
        return False
    return True


def sheet(content: str | bytes, **forced: Any) -> RecipientSheet:
    data = content.encode() if isinstance(content, str) else content
    return read_recipients([data], is_number=is_number, **forced)


def rows(content: str | bytes, **forced: Any) -> list[RecipientRow | InvalidRow]:
    return list(sheet(content, **forced).rows)


def case(name: str) -> list[RecipientRow | InvalidRow]:
    return rows((CASES / name).read_bytes())


def variables(content: str | bytes, **forced: Any) -> list[dict[str, str]]:
    found = rows(content, **forced)
    assert all(isinstance(row, RecipientRow) for row in found), found
    return [dict(row.variables) for row in found if isinstance(row, RecipientRow)]


def refusal(content: str | bytes, **forced: Any) -> str:
    with pytest.raises(Invalid) as caught:
        rows(content, **forced)
    return str(caught.value)


# Rows and columns


def test_a_row_without_the_separators_of_its_last_empty_cells_is_whole() -> None:
    found = case("excel16.csv")
    assert [row.line for row in found] == list(range(2, 34))
    notes = [row.variables["note"] for row in found if isinstance(row, RecipientRow)]
    assert notes == ["hi"] * 16 + [""] * 16


def test_columns_without_a_name_and_without_a_value_are_none_and_a_row_of_separators_is_blank() -> None:
    assert [row[:3] for row in case("trailing_header.csv")] == [
        (2, "+254712345601", {"name": "Ann"}),
        (4, "+254712345602", {"name": "Ben"}),
    ]


@pytest.mark.parametrize("blank", [",,", '"","",""', " , ,", ",", "\u00a0,,"])
def test_a_row_of_empty_cells_is_neither_a_recipient_nor_wrong(blank: str) -> None:
    assert [row.line for row in rows(f"to,name,\n{blank}\n1,Ann,\n{blank}\n")] == [3]


def test_blank_rows_above_the_header_are_left_out() -> None:
    assert [row.line for row in rows(",,\r\nto,name,\r\n1,Ann,\r\n")] == [3]


def test_empty_cells_after_the_last_column_are_no_fields() -> None:
    assert variables("to,name\n1,Ann,,,\n") == [{"name": "Ann"}]


def test_a_value_in_a_column_without_a_name_is_shown_with_its_column() -> None:
    [row] = rows("to,,name\n1,unexpected,Ann\n")
    assert row == InvalidRow(2, 'has "unexpected" in column 2, which has no name', ["1", "unexpected", "Ann"])


# Separators


def test_the_separator_is_the_one_named_in_the_first_line() -> None:
    assert [row[:3] for row in case("sep.csv")] == [(3, "+254712345601", {"name": "Ann"})]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("first", ["sep={}", "SEP={}", '"sep={}"', "sep={},,"])
def test_a_line_that_names_the_separator_is_read_in_any_of_its_forms(separator: str, first: str) -> None:
    content = f"\ufeff{first.format(separator)}\r\nto{separator}a.b\r\n1{separator}x\r\n"
    found = sheet(content)
    assert (found.separator, [row.line for row in found.rows]) == (separator, [3])


def test_a_separator_that_is_given_wins_and_the_line_that_names_another_is_no_header() -> None:
    assert variables("sep=;\nto,a;b\n1,x;y\n", separator=",") == [{"a;b": "x;y"}]


def test_an_unknown_separator_is_refused_with_the_choices() -> None:
    assert refusal("sep=^\nto^name\n") == '"^" is not a separator; choose one of , ; | or a tab'


@pytest.mark.parametrize(("word", "separator"), [("tab", "\t"), ("\\t", "\t"), ("semicolon", ";")])
def test_a_separator_can_be_given_as_a_word(word: str, separator: str) -> None:
    assert sheet(f"to{separator}name\n", separator=word).separator == separator


def test_the_separator_is_the_one_that_makes_a_number_column() -> None:
    assert variables("phone;Last, first, middle\n1;Li, Ann, B\n") == [{"Last, first, middle": "Li, Ann, B"}]


# Names


def test_the_names_of_a_file_find_their_placeholders() -> None:
    [names] = [list(row.variables) for row in case("tmpl.csv") if isinstance(row, RecipientRow)]
    assert names == ["First Name", "name", "prénom", "last-name"]


def test_a_number_column_may_be_named_in_any_case_with_blanks() -> None:
    found = sheet("Phone_Number,name\n1,Ann\n", number_column="phone number")
    assert found.number_column == "Phone_Number"


@pytest.mark.parametrize("names", ["First Name,first_name", "name,NAME", "prénom,pre\u0301nom", "a-b,a b"])
def test_two_columns_that_one_placeholder_would_find_are_refused(names: str) -> None:
    one, other = names.split(",")
    assert refusal(f"to,{names}\n").startswith(f'the columns "{one}" and "{other}" have one name')


def test_a_file_may_not_have_more_columns_than_anybody_has() -> None:
    names = ",".join(f"c{n}" for n in range(1000))
    assert refusal(f"to,{names}\n") == "the file has 1001 columns; at most 1000 are allowed"


def test_the_column_that_is_nine_tenths_numbers_is_suggested() -> None:
    lines = [f"{n},+2547123456{n:02},2026-01-{n:02}" for n in range(1, 11)]
    found = refusal("\n".join(["id,Telefon,day", *lines[:-1], "10,none,2026-01-10"]))
    assert found == (
        'no column is known to contain the numbers; the header has "id", "Telefon", "day";'
        ' "Telefon" seems to have them: --column "Telefon"'
    )
    assert "seems" not in refusal("\n".join(["id,Telefon,day", *lines[:8], "9,none,", "10,none,"]))


def test_a_file_whose_first_line_is_a_row_is_refused_with_what_to_do() -> None:
    assert refusal("+254712345601,Ann\n+254712345602,Ben\n") == (
        'line 1 has a phone number, "+254712345601", where the names of the columns belong;'
        ' put a line above it that names them, such as "phone,name"'
    )


@pytest.mark.parametrize(
    "content",
    [
        "+254712345601\n0712345602\n",
        "Ann;+254712345601\nBen;0712345602\n",
        "Opted out\n+254712345601\n0712345602\n",
    ],
)
def test_a_header_that_is_optional_may_be_missing_or_have_one_column_of_any_name(content: str) -> None:
    assert [row[1] for row in rows(content, header_optional=True)] == ["+254712345601", "0712345602"]


# Encodings

ANN = "to,name\n1,Zoé €\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_unicode_is_recognized_with_its_mark_and_utf_16_without(encoding: str, mark: str) -> None:
    if mark or not encoding.startswith("utf-32"):
        found = sheet((mark + ANN).encode(encoding))
        assert (found.encoding, [row[2] for row in found.rows]) == (encoding, [{"name": "Zoé €"}])


def test_a_file_that_is_utf_8_but_for_a_few_bytes_stays_utf_8_and_their_rows_are_rejected() -> None:
    good = "".join(f"{n},Zoé\n" for n in range(20)).encode()
    found = sheet(b"to,name\n" + good + b"77,Jos\xe9\n" + good)
    assert found.encoding == "utf-8"
    read = list(found.rows)
    [bad] = [row for row in read if isinstance(row, InvalidRow)]
    assert bad == InvalidRow(
        22,
        "has bytes that are not text in this encoding; correct the row, or save the file as UTF-8",
        ["77", "Jos\ufffd"],
    )
    assert {row.variables["name"] for row in read if isinstance(row, RecipientRow)} == {"Zoé"}


@pytest.mark.parametrize("letters", ["Zoé", "Müller, \x80 5", "“quoted” – dash", "ÀÉÎÕÜ"])
def test_a_file_in_windows_1252_is_still_one(letters: str) -> None:
    data = f'to,name\n1,"{letters}"\n'.encode("cp1252", errors="replace")
    if not data.isascii():
        assert sheet(data).encoding == "cp1252"


@pytest.mark.parametrize("encoding", ["cp1251", "cp1253", "koi8-r", "cp1250"])
def test_another_eight_bit_encoding_is_not_taken_for_utf_8(encoding: str) -> None:
    text = {"cp1253": "Ελένη Παπαδοπούλου", "cp1250": "Łukasz Žižka"}.get(encoding, "Мария Иванова")
    data = f"to,name\n1,{text}\n".encode(encoding)
    assert sheet(data).encoding == "cp1252"
    assert variables(data, encoding=encoding) == [{"name": text}]


# Other kinds of files


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (_zip("[Content_Types].xml", "xl/workbook.xml"), "a workbook; open it in the spreadsheet program"),
        (_zip("Index/Document.iwa"), "a workbook"),
        (_zip("customers.csv"), "an archive or compressed; unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "a workbook"),
        (gzip.compress(b"to\n1\n"), "an archive or compressed; unpack it"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "an archive"),
        (b"%PDF-1.7\n", "a document; copy its table"),
        (b"{\\rtf1\\ansi", "a document"),
        (b"<html><table><tr><td>phone</td></tr></table>", "a document"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<Workbook/>", "a document"),
        (b"PAR1\x15\x04", "no text; export it as CSV UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "no text"),
    ],
    ids=["xlsx", "numbers", "zip", "xls", "gzip", "7z", "pdf", "rtf", "html", "xml", "parquet", "png"],
)
def test_a_file_whose_first_bytes_say_something_else_is_refused_as_that(content: bytes, kind: str) -> None:
    assert refusal(content).startswith(f"the file is {kind}")
    assert refusal(content, encoding="utf-8").startswith(f"the file is {kind}")


@pytest.mark.parametrize("name", ["a.xlsx", "A.XLS", "b.ods", "c.numbers", "c.csv.zip", "d.csv.gz", "e.pdf"])
def test_a_file_whose_name_says_something_else_is_refused_as_that(name: str) -> None:
    with pytest.raises(Invalid, match=r"is a workbook|is an archive|is a document"):
        refuse_other_names(name)


@pytest.mark.parametrize("name", ["", "customers.csv", "customers", "a.xlsx.csv", "list.txt", "-", "x.tsv"])
def test_any_other_name_is_a_csv_file(name: str) -> None:
    refuse_other_names(name)


# Damaged and hostile files


@pytest.mark.parametrize("row", ["1,a\0b", "1,\0", "\0,x"])
def test_a_nul_byte_invalidates_its_own_row(row: str) -> None:
    found = rows(f"to,name\n{row}\n2,Bo\n")
    assert isinstance(found[0], InvalidRow)
    assert found[1][:2] == (3, "2")


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_row_of_separators_without_end_is_read_in_bounded_memory(separator: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield f"to{separator}name\n1".encode()
        for _ in range(50):
            yield separator.encode() * 100_000
        yield f"\n2{separator}Bo\n".encode()

    bad, good = read_recipients(chunks()).rows
    assert isinstance(bad, InvalidRow)
    assert good[:3] == (3, "2", {"name": "Bo"})


# Rejects

FORMULAS = [
    "=1+1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "'=1",
    "''=1",
    "＝1",
    "+254712345601",
]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_that_we_write_begins_as_a_formula_and_each_is_restored(cell: str) -> None:
    assert guard(cell) == f"'{cell}"
    assert unguard(guard(cell)) == cell


@given(st.text(st.sampled_from("'=+-@\t\r\n x1") | st.characters(), max_size=6))
def test_a_guarded_cell_is_restored_whatever_it_is(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert not guard(cell).lstrip().startswith(tuple("=+-@"))


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), min_size=2
    )
)
def test_a_line_that_we_write_is_read_back(cells: list[str]) -> None:
    assert cells_of(join_cells(cells)) == cells
    read = next(csv.reader(io.StringIO(csv_line(cells), newline="")))
    assert [unguard(cell) for cell in read] == cells
    assert not any(cell.lstrip(" ").startswith(tuple("=+-@\t\r\n")) for cell in read)


def test_all_that_we_write_as_csv_is_written_by_one_function() -> None:
    writers = {
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "dispatcher").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("writer", "DictWriter", "writerow", "to_csv")
    }
    assert {path for path in writers if "csv" in (ROOT / path).read_text(encoding="utf-8")} == {
        "dispatcher/producer/campaign.py"  # rows on their way to our own import
    }
    joining = {
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "dispatcher").rglob("*.py"))
        if "join_cells" in path.read_text(encoding="utf-8")
    }
    assert joining == {
        "dispatcher/domain/campaigns/csv_cells.py",
        "dispatcher/store/campaigns/rejects.py",  # rows in Postgres, for ourselves
    }


def corrected(
    columns: Sequence[str], bad: Sequence[Sequence[str]], separator: str
) -> list[RecipientRow | InvalidRow]:
    """Return the rows of a file of rejects, imported again."""
    file = FileFormat("utf-8", separator, columns)
    lines = [reject_line(file, line=n, reason="=bad", fields=fields) for n, fields in enumerate(bad, 2)]
    return rows("\ufeff" + reject_header(file) + "".join(lines))


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_file_of_rejects_is_imported_as_its_rows_were(separator: str) -> None:
    bad = [["+254712345601", "=cmd|'/c calc'!A1"], ["@bad", "-x"], ["'+254712345602", 'a;b,"c"\n=d']]
    assert [row[1:3] for row in corrected(["phone", "=name"], bad, separator)] == [
        (number, {"=name": name}) for number, name in bad
    ]


def test_a_row_with_too_many_fields_is_whole_in_the_file_of_rejects() -> None:
    [row] = corrected(["phone", "name"], [["1", "Lee", "Ann", ""]], ",")
    assert row == InvalidRow(2, "has 6 fields, the header has 4", ["1", "Lee", "Ann", ""])


def test_the_columns_of_a_file_of_rejects_are_no_variables() -> None:
    [row] = corrected(["", "phone", "name"], [["", "1", "Ann"]], ";")
    assert row == RecipientRow(2, "1", {"name": "Ann"}, ["", "1", "Ann"])


def test_an_apostrophe_in_any_other_file_is_a_character() -> None:
    assert variables("to,name\n1,'=x\n") == [{"name": "'=x"}]


def test_the_marks_are_those_of_the_codecs() -> None:
    assert sheet(codecs.BOM_UTF8 + ANN.encode()).encoding == "utf-8"
