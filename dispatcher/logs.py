"""
Logs: one JSON object a line, for our events and for those of the libraries.

No message text gets into a log: Postgres quotes a failing row in its errors,
and that part is removed from every traceback.
"""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# The DETAIL of a Postgres error quotes the row, whose text may have line breaks; CONTEXT and the like end it.
_DETAIL = re.compile(
    r"^DETAIL:.*?(?=^(?:CONTEXT|HINT|STATEMENT|QUERY|SCHEMA|LOCATION|\[SQL|The above|Traceback)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_TRACEBACKS = ("exception", "stack")
_QUIET = ("httpx", "aiohttp.access", "kombu", "amqp", "celery")


def configure(level: str) -> None:
    """Write the log lines of this process to standard error as JSON, from this level upwards."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_rows,
        _in_one_line,
    ]
    renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # one write for each line
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=number, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def one_line(text: str) -> str:
    """Return a client's text for a log: what cannot be printed, such as a line break, is escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def _in_one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape what cannot be printed, except in tracebacks: whoever prints a value sees one line."""
    for name, value in event.items():
        if isinstance(value, str) and name not in _TRACEBACKS:
            event[name] = one_line(value)
    return event


def _without_rows(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if isinstance(value, str) and "DETAIL:" in value:
            event[name] = _DETAIL.sub("DETAIL: (not logged)\n", value)
    return event
