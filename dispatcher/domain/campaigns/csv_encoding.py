"""The text of a CSV file from a stream of bytes, in the encoding that it names or seems to have."""

import codecs
import re
from collections.abc import Iterable, Iterator

from dispatcher.domain.campaigns.file_kinds import refuse_other_kinds
from dispatcher.domain.errors import Invalid

_BLOCK = 65_536  # bytes that are decoded and split at a time; the first ones decide the encoding
# In this order: the mark of UTF-32 begins like that of UTF-16.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_ENCODINGS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|utf-32(-[lb]e)?|cp125\d|iso8859-\d+|koi8-[ru]|mac-roman|shift_jis|gb18030|big5"
)
_BAD_BYTE = re.compile("[\udc80-\udcff]+")
_BEYOND_ASCII = re.compile("[^\0-\x7f\udc80-\udcff]")


def decode(chunks: Iterable[bytes], encoding: str | None) -> tuple[str, Iterator[str]]:
    """
    Return the encoding, detected unless it is given, and the text in blocks without its byte order mark.

    Bytes that are not text become U+FFFD. Raises Invalid for an unknown
    encoding, and for a workbook, an archive, or another file that is no text.
    """
    blocks = _blocks(chunks)
    head = next(blocks, b"")
    refuse_other_kinds(head)
    name = _encoding_of(head) if encoding is None else _known(encoding)
    return name, _texts(head, blocks, name)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of about the same size; only the last one is shorter."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        for start in range(0, len(chunk), _BLOCK):
            parts.append(chunk[start : start + _BLOCK])
            size += len(parts[-1])
            if size >= _BLOCK:
                yield b"".join(parts)
                parts, size = [], 0
    yield b"".join(parts)


def _texts(head: bytes, blocks: Iterator[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(head).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _encoding_of(head: bytes) -> str:
    for mark, name in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return name
    return _utf_16_of(head) or ("utf-8" if _seems_utf_8(head) else "cp1252")


def _utf_16_of(head: bytes) -> str | None:
    """Return the UTF-16 of a text without a mark: every other byte of its ASCII characters is zero."""
    half = max(len(head) // 2, 1)
    first, second = head[::2].count(0) / half, head[1::2].count(0) / half
    if max(first, second) < 0.4 or min(first, second) > 0.1:
        return None
    return "utf-16-be" if first > second else "utf-16-le"


def _seems_utf_8(head: bytes) -> bool:
    """
    Whether a text is UTF-8, but for a few bytes perhaps.

    Letters of another encoding hardly ever form a character of UTF-8, so one
    such character outweighs one place that is none.
    """
    # If the file is longer than its head, the head may end within a character.
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head, final=len(head) < _BLOCK)
    bad = len(_BAD_BYTE.findall(text))
    return not bad or len(_BEYOND_ASCII.findall(text)) >= bad


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name.removesuffix("-sig")
    except (LookupError, ValueError):
        name = ""
    if not _ENCODINGS.fullmatch(name):
        raise Invalid(f'"{encoding}" is not a known encoding; write one like "utf-8" or "windows-1252"')
    return name
