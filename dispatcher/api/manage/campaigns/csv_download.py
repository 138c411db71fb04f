"""CSV files as downloads, which are written while they are sent."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.responses import StreamingResponse

CSV = "text/csv"
CSV_BODY = {"schema": {"type": "string", "format": "binary"}}

_BYTE_ORDER_MARK = "\ufeff"  # without it, Excel reads letters beyond ASCII as others


def csv_download(lines: AsyncIterator[str], name: str) -> StreamingResponse:
    """Return a response that streams these lines as a file of this name."""
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return StreamingResponse(_marked(lines), media_type=CSV, headers={"Content-Disposition": disposition})


async def _marked(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    mark = _BYTE_ORDER_MARK
    async for line in lines:
        yield mark + line
        mark = ""
