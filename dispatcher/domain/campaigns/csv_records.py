"""Records of a CSV file (RFC 4180) from a stream of text, in bounded memory."""

import csv
import re
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

MAX_RECORD = 65_536  # characters
MAX_LINES = 100  # of one record; a quote that is not closed within them is a fault of its line

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")
_TOO_LONG = f"is longer than {MAX_RECORD} characters"
_UNCLOSED = f"opens a quote that is not closed within {MAX_LINES} lines and {MAX_RECORD} characters"
_UNREADABLE = 'has text after a closing quote; write a quote within a quoted field as ""'


class CsvRecord(NamedTuple):
    """One record; `line` is where it starts. A faulty record has only its first line, and no fields."""

    line: int  # from 1
    raw: str  # with its line end, if it has one
    fields: list[str]
    fault: str  # "" if it could be read


def read_records(texts: Iterable[str], separator: str) -> Iterator[CsvRecord]:
    """
    Yield the records of a text; blank lines are skipped, and no record raises.

    A quote that is not closed within MAX_LINES and MAX_RECORD, or that is
    closed before the end of its field, makes its line a faulty record.
    Reading continues at the next line, so that one mistake does not affect
    other records.
    """
    line, rest = 1, ""
    for text in texts:
        block, rest = _whole_lines(rest + text)
        line, open_lines = yield from _split(block, separator, line, last=False)
        rest = open_lines + rest
    yield from _split(rest, separator, line, last=True)


def _whole_lines(text: str) -> tuple[str, str]:
    """
    Return the whole lines of a text, and the rest after the last line end.

    A "\\r" at the end of the text may be half of a line end. A rest that is
    too long is cut to its beginning, which is still too long, and its last
    character.
    """
    cut = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
    rest = text[cut:]
    return text[:cut], rest if len(rest) <= MAX_RECORD + 2 else rest[: MAX_RECORD + 1] + rest[-1]


def _split(
    text: str, separator: str, line: int, *, last: bool
) -> Generator[CsvRecord, None, tuple[int, str]]:
    """Yield the records of whole lines; return the next line number and the text of a record still open."""
    if '"' in text:
        return (yield from _split_quoted(text, separator, line, last=last))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()  # the empty string after the last line end
    for raw in lines:
        if len(raw) > MAX_RECORD:
            yield _faulty(line, raw, _TOO_LONG)
        elif raw and not raw.isspace():
            yield CsvRecord(line, raw, raw.split(separator), "")
        line += 1
    return line, ""


def _split_quoted(
    text: str, separator: str, line: int, *, last: bool
) -> Generator[CsvRecord, None, tuple[int, str]]:
    lines = _LINE.findall(text)
    if tail := text[sum(map(len, lines)) :]:
        lines.append(tail)
    done = 0
    while done < len(lines):
        done, ran_out = yield from _read(lines, done, separator, line)
        if done == len(lines):
            break
        if ran_out and not last and len(lines) - done < MAX_LINES:
            open_text = "".join(lines[done:])
            if len(open_text) <= MAX_RECORD:
                return line + done, open_text  # the next block may close the quote
        yield _faulty(line + done, lines[done], _UNCLOSED if ran_out else _UNREADABLE)
        done += 1
    return line + len(lines), ""


def _read(
    lines: list[str], done: int, separator: str, line: int
) -> Generator[CsvRecord, None, tuple[int, bool]]:
    """
    Yield the records from lines[done] on; return the index of the first line that was not read, and why.

    The second value is True if a quote was open when the lines or the limits
    of a record ran out.
    """
    ran_out = False

    def feed() -> Iterator[str]:
        nonlocal ran_out
        size, start = 0, done
        for index in range(done, len(lines)):
            if start != done:
                size, start = 0, done
            size += len(lines[index])
            if index - start >= MAX_LINES or size > MAX_RECORD:
                break
            yield lines[index]
        ran_out = True

    first = done
    reader = csv.reader(feed(), delimiter=separator, strict=True)
    try:
        for fields in reader:
            end = first + reader.line_num
            raw = lines[done] if end - done == 1 else "".join(lines[done:end])
            if not raw.isspace():
                yield CsvRecord(line + done, raw, fields, "")
            done = end
    except csv.Error:
        pass  # strict: an open quote at the end, or text after a closed one
    return done, ran_out


def _faulty(line: int, raw: str, fault: str) -> CsvRecord:
    return CsvRecord(line, raw, [], _TOO_LONG if len(raw) > MAX_RECORD else fault)
