"""W3C Trace Context: the trace that a request belongs to, followed into the provider call."""

import hashlib
import re

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def read_traceparent(header: str | None) -> str | None:
    """Give a traceparent as it is kept, in version 00; None for what is none, which is as good as absent."""
    given = (header or "").strip()
    return f"00-{given[3:55]}" if _TRACEPARENT.fullmatch(given) else None


def trace_id(traceparent: str) -> str:
    """Give the id of the whole trace."""
    return traceparent[3:35]


def child_traceparent(traceparent: str, *, reference: str, attempt: int) -> str:
    """Give the traceparent of one provider call: the same trace, a span of its own for each attempt."""
    span = hashlib.sha256(f"{reference} {attempt}".encode()).hexdigest()[:16]
    return f"00-{trace_id(traceparent)}-{span}-{traceparent[53:55]}"
