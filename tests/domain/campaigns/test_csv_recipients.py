"""Files of recipients: everything that spreadsheets write is read, and faulty rows are reported by line."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.campaigns.csv_recipients import (
    MAX_FIELD,
    SEPARATORS,
    InvalidRow,
    RecipientRow,
    read_recipients,
)
from dispatcher.domain.campaigns.csv_records import MAX_LINES, MAX_RECORD
from dispatcher.domain.errors import Invalid


def without_fields(row: RecipientRow | InvalidRow) -> RecipientRow | InvalidRow:
    return row._replace(fields=()) if isinstance(row, RecipientRow) else row


def rows(content: str | bytes, **forced: Any) -> list[RecipientRow | InvalidRow]:
    """Return the rows, recipients without the whole row."""
    data = content.encode() if isinstance(content, str) else content
    return list(map(without_fields, read_recipients([data], **forced).rows))


def only_row(content: str | bytes, **forced: Any) -> RecipientRow | InvalidRow:
    (row,) = rows(content, **forced)
    return row


def reason(content: str | bytes) -> str:
    row = only_row(content)
    assert isinstance(row, InvalidRow)
    return row.reason


def test_a_row_is_a_number_and_its_variables() -> None:
    assert rows("to,name\n+33612345678,Ann\n +254712345678 , Bo \n") == [
        RecipientRow(2, "+33612345678", {"name": "Ann"}),
        RecipientRow(3, "+254712345678", {"name": " Bo "}),
    ]


def test_rows_are_read_on_demand() -> None:
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"to\n" + b"+33612345678\n" * 10_000

    sheet = read_recipients(chunks())
    assert read == 1
    next(sheet.rows)
    assert read <= 2


# The header


@pytest.mark.parametrize("name", ["to", "Number", "PHONE", " msisdn ", '"Mobile"', "recipient"])
def test_the_number_column_is_known_by_its_name(name: str) -> None:
    assert only_row(f"city,{name}\nParis,1\n") == RecipientRow(2, "1", {"city": "Paris"})


def test_a_number_column_may_be_named() -> None:
    sheet = read_recipients([b"Tel,to\n1,2\n"], number_column="tel")
    assert (sheet.columns, sheet.number_column) == (("Tel", "to"), "Tel")
    assert list(map(without_fields, sheet.rows)) == [RecipientRow(2, "1", {"to": "2"})]


@pytest.mark.parametrize(
    ("content", "forced", "message"),
    [
        ("", {}, "the file is empty; its first line must name the columns"),
        ("\n \r\n", {}, "the file is empty"),
        ("name,city\nAnn,Paris\n", {}, 'the header has "name", "city"; name one of them to, number'),
        ("to,name\n", {"number_column": "tel"}, 'no column is named "tel"; the header has "to", "name"'),
        ("to,phone\n", {}, 'more than one column may contain the numbers: "to", "phone"; choose one'),
        ("to,name,name\n", {}, 'two columns are named "name"; rename one in line 1'),
        ("to,First Name,first_name\n", {}, 'the columns "First Name" and "first_name" have one name'),
        ('to,"name\n' + "1,2\n" * 200, {}, "the header, line 1, opens a quote that is not closed"),
        ("to,na\0me\n", {}, "the header, line 1, has a NUL character"),
        (b"\xef\xbb\xbfto,na\xffme\n", {}, "the header, line 1, has bytes that are not text"),
        ("to," + "x" * 101, {}, "is too long; it may have at most 100 characters"),
        ("to\n", {"separator": "x"}, '"x" is not a separator; choose one of'),
        ("to\n", {"encoding": "rot13"}, '"rot13" is not a known encoding; write one like "utf-8"'),
        ("to\n", {"encoding": "klingon\0"}, "is not a known encoding"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(
    content: str | bytes, forced: dict[str, str], message: str
) -> None:
    with pytest.raises(Invalid) as caught:
        rows(content, **forced)
    assert message in str(caught.value)


# Encodings and separators


@pytest.mark.parametrize(
    ("encoding", "detected"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("windows-1252", "cp1252"),
    ],
)
def test_the_encoding_is_detected_from_the_first_bytes(encoding: str, detected: str) -> None:
    sheet = read_recipients(["to,name\n1,Zoé €\n".encode(encoding)])
    assert sheet.encoding == detected
    assert list(map(without_fields, sheet.rows)) == [RecipientRow(2, "1", {"name": "Zoé €"})]


def test_big_endian_utf_16_is_detected_by_its_mark() -> None:
    assert only_row("\ufeffto,name\n1,Zoé\n".encode("utf-16-be")) == RecipientRow(2, "1", {"name": "Zoé"})


def test_a_character_cut_by_the_end_of_the_first_block_is_still_utf_8() -> None:
    for shift in range(3):
        content = "to,name\n" + "1," + "x" * shift + "\n" + "1,€€€\n" * 20_000
        assert read_recipients([content.encode()]).encoding == "utf-8"


def test_a_last_byte_that_is_not_utf_8_makes_a_file_windows_1252() -> None:
    assert only_row("to,name\n1,Zoé".encode("cp1252")) == RecipientRow(2, "1", {"name": "Zoé"})


def test_an_encoding_can_be_forced() -> None:
    assert only_row("to,name\n1,Łódź\n".encode("cp1250"), encoding="windows-1250") == RecipientRow(
        2, "1", {"name": "Łódź"}
    )


@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_separator_is_the_one_in_the_header(separator: str) -> None:
    other = ";" if separator == "," else ","
    content = f'to{separator}"a{other}{other}{other}b"\n1{separator}x{other}y\n'
    assert only_row(content) == RecipientRow(2, "1", {f"a{other}{other}{other}b": f"x{other}y"})


def test_a_separator_can_be_forced() -> None:
    assert only_row("to;a,b\n1;2,3\n", separator=";", number_column="to") == RecipientRow(
        2, "1", {"a,b": "2,3"}
    )


def test_a_file_of_numbers_only_needs_no_separator() -> None:
    assert rows("to\n1\n2") == [RecipientRow(2, "1", {}), RecipientRow(3, "2", {})]


# Lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_record_is_named_by_the_line_it_starts_in(end: str, quote: str) -> None:
    lines = ["to,name", f"1,{quote}Ann{quote}", "", "  ", "2,Bo", "x", "3,Cy"]
    assert [row.line for row in rows(end.join(lines))] == [2, 5, 6, 7]


def test_a_line_end_within_quotes_belongs_to_the_field() -> None:
    assert rows('to,name\n1,"Ann\r\nof\nParis\r"\n2,"say ""hi"""\n') == [
        RecipientRow(2, "1", {"name": "Ann\r\nof\nParis\r"}),
        RecipientRow(6, "2", {"name": 'say "hi"'}),
    ]


def test_a_quote_within_a_field_is_a_character() -> None:
    assert only_row('to,name\n1,5" nail\n') == RecipientRow(2, "1", {"name": '5" nail'})


# Bad rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("to,name\n1,2,3\n", "has 3 fields, the header has 2"),
        ("to,,name\n1,x,Ann\n", 'has "x" in column 2, which has no name'),
        ("to,name\n ,Ann\n", 'has no number in column "to"'),
        ("to,name\n1,a\0b\n", "has a NUL character"),
        (b"\xef\xbb\xbfto,name\n1,a\xffb\n", "has bytes that are not text in this encoding"),
        (b"to,name\n1,Zo\xe9\x81\n", "has bytes that are not text in this encoding"),
        (
            f"to,name\n1,{'x' * (MAX_FIELD + 1)}\n",
            'has 4001 characters in column "name"; at most 4000 are allowed',
        ),
        (f"to,name\n1,{'x' * (MAX_RECORD + 1)}\n", "is longer than 65536 characters"),
        (f'to,name\n1,"{"x" * (MAX_RECORD + 1)}"\n', "is longer than 65536 characters"),
        ('to,name\n1,"Ann" Lee\n', "has text after a closing quote"),
        ('to,name\n1,"Ann\n', "opens a quote that is not closed"),
    ],
)
def test_an_invalid_row_has_a_reason(content: str | bytes, message: str) -> None:
    assert message in reason(content)


def test_a_field_of_the_maximum_length_is_accepted() -> None:
    assert isinstance(only_row(f"to,name\n1,{'x' * MAX_FIELD}\n"), RecipientRow)


def test_a_bad_row_is_kept_whole() -> None:
    assert only_row(f"to,name\n1,{'x' * 5000},3\r\n") == InvalidRow(
        2, "has 3 fields, the header has 2", ["1", "x" * 5000, "3"]
    )


@pytest.mark.parametrize(
    ("row", "cells"),
    [('1,"Ann', ["1", "Ann"]), ('1,"Ann" Lee', ["1", "Ann Lee"]), ('1,"a""b" c', ["1", 'a"b c'])],
)
def test_a_row_with_wrong_quotes_is_kept_as_well_as_it_can_be_read(row: str, cells: list[str]) -> None:
    bad = only_row(f"to,name\n{row}\n")
    assert isinstance(bad, InvalidRow)
    assert bad.fields == cells


def test_a_bad_row_does_not_stop_the_next() -> None:
    found = rows("to,name\n,x\n2,Bo\n,y\n4,Di\n")
    assert [type(row) for row in found] == [InvalidRow, RecipientRow, InvalidRow, RecipientRow]


def test_a_quote_that_is_never_closed_invalidates_only_its_own_line() -> None:
    found = rows('to,name\n1,"Ann\n' + "2,Bo\n" * 50_000)
    assert isinstance(found[0], InvalidRow)
    assert found[1:] == [RecipientRow(line, "2", {"name": "Bo"}) for line in range(3, 50_003)]


def test_a_quote_that_the_next_line_seems_to_close_invalidates_only_its_own_line() -> None:
    slip, good = rows('to,name\n1,"Ann\n2,"Bo"\n')
    assert isinstance(slip, InvalidRow)
    assert good == RecipientRow(3, "2", {"name": "Bo"})


def test_a_field_may_have_as_many_lines_as_a_record_and_no_more() -> None:
    assert isinstance(only_row('to,name\n1,"' + "\n" * (MAX_LINES - 1) + '"\n'), RecipientRow)
    assert isinstance(rows('to,name\n1,"' + "\n" * MAX_LINES + '"\n')[0], InvalidRow)


def test_an_endless_line_is_one_bad_row_and_is_not_kept_in_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'to,name\n1,"'
        for _ in range(200):
            yield b"x" * 100_000
        yield b"\n2,Bo\n"

    bad, good = map(without_fields, read_recipients(chunks()).rows)
    assert (bad.line, good) == (2, RecipientRow(3, "2", {"name": "Bo"}))
    assert isinstance(bad, InvalidRow)
    assert sum(map(len, bad.fields)) < MAX_RECORD


# Properties

texts = st.text(st.characters(exclude_characters="\0\ufffd", exclude_categories=["Cs"]), max_size=12)
tricky = st.text('",;\t|\r\n x', max_size=8)
numbers = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)


@given(
    st.lists(st.tuples(texts | tricky, numbers, texts | tricky), max_size=20),
    st.sampled_from(SEPARATORS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.integers(1, 50),
)
def test_what_a_csv_writer_writes_is_read_back(
    written: list[tuple[str, str, str]], separator: str, quoting: int, encoding: str, size: int
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("a", "to", "b"), *written])
    data = file.getvalue().encode(encoding)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    found = read_recipients(chunks, encoding=None if data[:1] > b"\x7f" else "utf-8").rows
    assert [row[1:] for row in found] == [
        (number, {"a": a, "b": b}, [a, number, b]) for a, number, b in written
    ]


@given(st.binary(max_size=300) | st.text('",;\r\n\0x€', max_size=300).map(str.encode), st.integers(1, 40))
def test_any_content_reads_the_same_in_any_chunks_and_no_row_raises(junk: bytes, size: int) -> None:
    data = b"to,name\r\n1,Ann\r\n" + junk
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert list(map(without_fields, read_recipients(chunks).rows)) == rows(data)


@given(
    st.lists(
        st.sampled_from(['1,"a\r\nb"\r\n', "2,c\r\n", '3,"d\n', '4,"e" f\n', "5\r", '6,""\n', "\n"]),
        max_size=30,
    )
)
def test_records_that_cross_blocks_are_read_as_if_whole(parts: list[str]) -> None:
    text = "".join(parts)
    blank = " " * (65_536 - len("to,name\n") - len(text) // 2) + "\n"
    crossing = [row._replace(line=row.line - 1) for row in rows("to,name\n" + blank + text)]
    assert crossing == rows("to,name\n" + text)
