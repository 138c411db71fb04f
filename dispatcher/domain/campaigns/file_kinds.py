"""Files that are no CSV: workbooks, archives, documents, known by their name or their first bytes."""

import re
from collections.abc import Mapping
from enum import StrEnum

from dispatcher.domain.errors import Invalid


class OtherKind(StrEnum):
    """A kind of file that is no CSV, and advice on it."""

    WORKBOOK = "a workbook; open it in the spreadsheet program and save the sheet as CSV UTF-8"
    ARCHIVE = "an archive or compressed; unpack it, and use the CSV file in it"
    DOCUMENT = "a document; copy its table into a spreadsheet and save that as CSV UTF-8"
    DATA = "no text; export it as CSV UTF-8"


_EXTENSIONS: Mapping[OtherKind, str] = {
    OtherKind.WORKBOOK: "xlsx xlsm xlsb xltx xltm xls xlt ods fods ots numbers gsheet sxc et wk1 dif slk",
    OtherKind.ARCHIVE: "zip gz gzip tgz bz2 xz zst 7z rar tar lz4 br",
    OtherKind.DOCUMENT: "pdf doc docx odt rtf pages html htm xml mht",
    OtherKind.DATA: "png jpg jpeg gif webp heic parquet sqlite db mdb accdb avro exe",
}
# Excel's files of today are ZIP archives, as are those of LibreOffice and Numbers.
_FIRST_BYTES: Mapping[bytes, OtherKind] = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": OtherKind.WORKBOOK,  # OLE: .xls
    b"\x09\x08\x10\x00\x00\x06\x05\x00": OtherKind.WORKBOOK,  # BIFF8 without OLE
    b"PK\x05\x06": OtherKind.ARCHIVE,
    b"PK\x07\x08": OtherKind.ARCHIVE,
    b"\x1f\x8b": OtherKind.ARCHIVE,  # gzip
    b"\x1f\x9d": OtherKind.ARCHIVE,  # compress
    b"BZh": OtherKind.ARCHIVE,
    b"\xfd7zXZ\x00": OtherKind.ARCHIVE,
    b"7z\xbc\xaf\x27\x1c": OtherKind.ARCHIVE,
    b"Rar!\x1a\x07": OtherKind.ARCHIVE,
    b"\x28\xb5\x2f\xfd": OtherKind.ARCHIVE,  # zstd
    b"\x04\x22\x4d\x18": OtherKind.ARCHIVE,  # lz4
    b"%PDF-": OtherKind.DOCUMENT,
    b"{\\rtf": OtherKind.DOCUMENT,
    b"PAR1": OtherKind.DATA,
    b"SQLite format 3\x00": OtherKind.DATA,
    b"\x89PNG\r\n": OtherKind.DATA,
    b"\xff\xd8\xff": OtherKind.DATA,
    b"GIF8": OtherKind.DATA,
    b"\x7fELF": OtherKind.DATA,
}
_ZIP = b"PK\x03\x04"
_IN_WORKBOOKS = re.compile(rb"xl/|\[Content_Types\]|mimetypeapplication/vnd\.oasis|Index/|_rels/")
_DOCUMENTS = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|!doctype|html|table|head|body)\b", re.IGNORECASE)
_TAR = (257, b"ustar")


def refuse_other_kinds(head: bytes) -> None:
    """Raise Invalid if the first bytes of a file say that it is no text."""
    if (kind := _kind_of_bytes(head)) is not None:
        raise Invalid(f"the file is {kind}")


def refuse_other_names(name: str) -> None:
    """Raise Invalid if the name of a file says that it is no text."""
    extension = name.rpartition(".")[2].casefold() if "." in name else ""
    for kind, extensions in _EXTENSIONS.items():
        if extension in extensions.split():
            raise Invalid(f"{name!r} is {kind}")


def _kind_of_bytes(head: bytes) -> OtherKind | None:
    if head.startswith(_ZIP):
        return OtherKind.WORKBOOK if _IN_WORKBOOKS.search(head[:4096]) else OtherKind.ARCHIVE
    if head[_TAR[0] :].startswith(_TAR[1]):
        return OtherKind.ARCHIVE
    if _DOCUMENTS.match(head):
        return OtherKind.DOCUMENT  # also what many programs name .xls
    return next((kind for first, kind in _FIRST_BYTES.items() if head.startswith(first)), None)
