"""The announcements of a stack, and its count of deaths."""

from datetime import timedelta

from dispatcher.local.embedded.events import ProcessDied, ProcessReady, RestartFailed
from dispatcher.local.stack import _Reporter

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
