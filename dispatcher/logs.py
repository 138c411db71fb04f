"""
Logs: one JSON object a line, for our events and for those of the libraries.

No message text gets into a log: Postgres quotes a failing row in its errors,
and that part is removed from every traceback.
"""

import logging
import re
import sys
import time
from collections.abc import Iterator

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# The DETAIL of a Postgres error quotes the row, whose text may have line breaks; CONTEXT and the like end it.
_DETAIL = re.compile(
    r"^DETAIL:.*?(?=^(?:CONTEXT|HINT|STATEMENT|QUERY|SCHEMA|LOCATION|\[SQL|The above|Traceback)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_TRACEBACKS = ("exception", "stack")
# Errors of these names (kombu, psycopg, SQLAlchemy and redis-py have them), and OSError, say that a server is
# away or refuses us: a traceback says nothing more.
_OUTAGES = frozenset({"OperationalError", "RedisError"})
_AGAIN = 60.0  # seconds until the same line of an outage is written again
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
    handler.addFilter(_Outages())
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


class _Outages(logging.Filter):
    """
    Writes what a library logs of a server that is away in one line, once a minute.

    Celery's beat writes a traceback and a stack for each task of each second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the line of an outage to its first line; return whether it is written."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not any(map(_is_outage, _chain(error))):
            return True
        key = (record.name, str(record.msg))
        if time.monotonic() - self._written.get(key, -_AGAIN) < _AGAIN:
            return False
        self._written[key] = time.monotonic()
        line = record.getMessage().partition("\n")[0]
        described = str(error).partition("\n")[0]
        record.msg = line if described in line else f"{line}: {described}"
        record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
        return True


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_outage(error: BaseException) -> bool:
    return isinstance(error, OSError) or any(kind.__name__ in _OUTAGES for kind in type(error).__mro__)


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
