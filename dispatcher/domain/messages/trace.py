"""W3C Trace Context: the trace of a request, continued in the provider call."""

import hashlib
import re

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def read_traceparent(header: str | None) -> str | None:
    """Return a traceparent in version 00, as it is stored; None if the header is missing or not valid."""
    received = (header or "").strip()
    return f"00-{received[3:55]}" if _TRACEPARENT.fullmatch(received) else None


def trace_id(traceparent: str) -> str:
    """Return the id of the whole trace."""
    return traceparent[3:35]


def child_traceparent(traceparent: str, *, reference: str, attempt: int) -> str:
    """Return the traceparent of one provider call: the same trace, with a new span for each attempt."""
    span = hashlib.sha256(f"{reference} {attempt}".encode()).hexdigest()[:16]
    return f"00-{trace_id(traceparent)}-{span}-{traceparent[53:55]}"
