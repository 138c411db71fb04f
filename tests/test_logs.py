"""Logs: one JSON object a line, and never a message's text."""

import json
import logging
import warnings
from collections.abc import Iterator

import psycopg
import pytest
import structlog
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedule

from dispatcher import logs
from dispatcher.lanes.celery_app import make_celery
from dispatcher.local.embedded.ports import free_port
from tests.conftest import plain_url

TEXT = "secret text\nin two lines"


@pytest.fixture(autouse=True)
def _before_and_after() -> Iterator[None]:
    """
    Put logging back as it was, before and after.

    Another test may have left warnings captured, and pytest, which gives each test its own, put them
    back: then logging believes that it has them.
    """
    logging.captureWarnings(capture=False)
    root = logging.getLogger()
    before, level, logs = list(root.handlers), root.level, structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    structlog.configure(**logs)
    root.handlers, root.level = before, level


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_those_of_libraries_have_one_format(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger().info("sent", message_id=5)
    logging.getLogger("uvicorn.error").info("Started %s", "now")
    ours, theirs = _lines(capsys)
    assert (ours["event"], ours["level"], ours["message_id"]) == ("sent", "info", 5)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("Started now", "info", "uvicorn.error")
    assert ours.keys() >= {"timestamp"} <= theirs.keys()


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning")
    structlog.get_logger().info("sent")
    logging.getLogger("x").info("sent")
    assert _lines(capsys) == []


def test_a_warning_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("look", stacklevel=1)
    [line] = _lines(capsys)
    assert "look" in str(line["event"])


def test_beats_lines_of_an_outage_are_one_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Real beat, and a Redis that refuses connections: each entry of each second had a traceback."""
    logs.configure("info")
    celery = make_celery(f"redis://127.0.0.1:{free_port()}/0")
    scheduler = Scheduler(celery, lazy=True)
    for task in ("tick", "launch", "tick", "poll"):
        scheduler.apply_entry(ScheduleEntry(name=task, task=task, schedule=schedule(1.0), app=celery))
    [line] = _lines(capsys)
    assert str(line["event"]).startswith("Message Error: Couldn't apply scheduled task tick: Error ")
    assert "File" not in str(line["event"])
    assert "exception" not in line


def test_a_bug_in_a_library_keeps_its_traceback_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    for _ in range(2):
        logging.getLogger("uvicorn.error").error("failed", exc_info=ValueError("a bug"))
    found = _lines(capsys)
    assert [line["event"] for line in found] == ["failed", "failed"]
    assert all("ValueError: a bug" in str(line["exception"]) for line in found)


FORGED = [
    '\n{"event": "login", "level": "info"}',
    "\nDETAIL: x\nTraceback",
    "\r\nGET / HTTP/1.1",
    "\x1b[2J\x1b]0;title\x07",
    "\x85\u2028\u2029",
    "\u202egnp.exe",
    "\x00\x08\x7f\x9b",
    "\ud83d",
    "%0aDETAIL: %s %(x)s {x}",
]


def _log_in_every_way(text: str) -> None:
    """Log a text as our event, as those of libraries, as a warning, and as the message of an error."""
    structlog.get_logger().info("refused", reason=text)
    structlog.get_logger().info(text)
    structlog.get_logger().info("refused", reasons=[text], by={text: text})
    logging.getLogger("uvicorn.error").info(text)
    logging.getLogger("x").warning("refused %s", text, extra={"more": text})
    warnings.warn(text, stacklevel=1)
    for log in (structlog.get_logger(), logging.getLogger("x")):
        log.error("failed", exc_info=ValueError(text))


@pytest.mark.parametrize("forged", FORGED)
def test_what_a_client_sends_is_in_one_line_of_the_log(
    capsys: pytest.CaptureFixture[str], forged: str
) -> None:
    logs.configure("info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _log_in_every_way(f"a{forged}b")
    written = capsys.readouterr().err
    assert len(written.splitlines()) == written.count("\n") == 8  # splitlines knows all ends of lines
    assert written.replace("\n", "").isprintable()
    for line in map(json.loads, written.splitlines()):
        assert {"timestamp", "level"} <= line.keys()
        assert all(v.isprintable() for k, v in line.items() if isinstance(v, str) and k != "exception")


@pytest.mark.parametrize("library", [True, False])
def test_a_row_that_postgres_refused_is_not_shown(
    database_url: str, capsys: pytest.CaptureFixture[str], library: bool
) -> None:
    logs.configure("info")
    try:
        with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
            connection.execute("INSERT INTO templates (public_id, name, text) VALUES ('a', 'b', %s)", [TEXT])
    except psycopg.Error:
        if library:
            logging.getLogger("x").exception("failed")
        else:
            structlog.get_logger().exception("failed")
    [line] = _lines(capsys)
    shown = str(line["exception"])
    assert "NotNullViolation" in shown
    assert "DETAIL: (not logged)" in shown
    assert "secret" not in shown
    assert "two lines" not in shown
