"""What a stack announces of its processes, and what it counts."""

from datetime import timedelta

from dispatcher.local.embedded.events import ProcessDied, ProcessReady, RestartFailed
from dispatcher.local.stack import _Reporter

SECOND = timedelta(seconds=1)


def test_deaths_are_counted_where_a_restart_follows_and_whatever_the_words_are() -> None:
    reporter = _Reporter(lambda _name, _text: None)
    reporter.hear(ProcessDied("api", "ended with exit code 3", SECOND))
    reporter.hear(ProcessDied("api", "ended with exit code 3", None))
    reporter.hear(RestartFailed("api", "no port; it starts again in vain", SECOND))
    assert reporter.deaths == {"api": 1}


def test_a_process_that_only_runs_is_not_announced_as_ready_where_the_stack_finds_that_out() -> None:
    announced: list[tuple[str, str]] = []
    reporter = _Reporter(lambda name, text: announced.append((name, text)))
    reporter.judged_here = frozenset({"api"})
    reporter.hear(ProcessReady("api", SECOND))
    reporter.hear(ProcessReady("postgres", SECOND))
    assert announced == [("postgres", "is ready after 1.0 s")]
