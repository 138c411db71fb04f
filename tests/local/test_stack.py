"""The announcements of a stack, its count of deaths, and when its start is hopeless."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded.events import ProcessDied, ProcessReady, RestartFailed
from dispatcher.local.stack import _TIMEOUT, _raise_if_hopeless, _Reporter

SECOND = timedelta(seconds=1)


def test_deaths_with_a_restart_are_counted() -> None:
    reporter = _Reporter(lambda _name, _text: None)
    reporter.on_event(ProcessDied("api", "ended with exit code 3", SECOND))
    reporter.on_event(ProcessDied("api", "ended with exit code 3", None))
    reporter.on_event(RestartFailed("api", "no port; it starts again in vain", SECOND))
    assert reporter.deaths == {"api": 1}


def test_the_supervisor_does_not_announce_processes_whose_readiness_the_stack_checks() -> None:
    announced: list[tuple[str, str]] = []
    reporter = _Reporter(lambda name, text: announced.append((name, text)))
    reporter.checked_here = frozenset({"api"})
    reporter.on_event(ProcessReady("api", SECOND))
    reporter.on_event(ProcessReady("postgres", SECOND))
    assert announced == [("postgres", "is ready after 1.0 s")]


def test_a_stack_is_not_stopped_because_a_worker_is_slow_to_start(tmp_path: Path) -> None:
    reporter = _Reporter(lambda _name, _text: None)
    _raise_if_hopeless(tmp_path, ["worker-bulk", "flower"], reporter, _TIMEOUT + SECOND)


def test_a_stack_whose_api_is_not_ready_in_time_is_stopped(tmp_path: Path) -> None:
    reporter = _Reporter(lambda _name, _text: None)
    _raise_if_hopeless(tmp_path, ["api"], reporter, _TIMEOUT)
    with pytest.raises(Misconfigured, match="api is not ready after 120 s"):
        _raise_if_hopeless(tmp_path, ["api"], reporter, _TIMEOUT + SECOND)


def test_a_stack_with_a_worker_that_keeps_dying_is_stopped(tmp_path: Path) -> None:
    reporter = _Reporter(lambda _name, _text: None)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker-bulk.log").write_text("no such plug-in\n")
    for _ in range(3):
        reporter.on_event(ProcessDied("worker-bulk", "ended with exit code 3", SECOND))
    with pytest.raises(Misconfigured, match=r"worker-bulk keeps dying; the end of .*:\nno such plug-in"):
        _raise_if_hopeless(tmp_path, ["worker-bulk"], reporter, SECOND)
