"""Trace context: continued if it is valid, else ignored."""

import pytest

from dispatcher.domain.messages.trace import child_traceparent, read_traceparent, trace_id

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_traceparent_is_kept_as_it_is() -> None:
    assert read_traceparent(f" {GIVEN} ") == GIVEN
    assert trace_id(GIVEN) == "0af7651916cd43dd8448eb211c80319c"


def test_a_later_version_is_read_as_ours() -> None:
    assert read_traceparent(f"cc-{GIVEN[3:]}-what-else") == GIVEN


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "x",
        GIVEN.upper(),
        f"ff{GIVEN[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        GIVEN[:-1],
        f"{GIVEN}0",
    ],
)
def test_a_header_that_is_not_a_traceparent_is_ignored(given: str | None) -> None:
    assert read_traceparent(given) is None


def test_each_attempt_is_a_span_of_its_own_in_the_same_trace() -> None:
    first, second = (child_traceparent(GIVEN, reference="r", attempt=n) for n in (1, 2))
    assert first != second
    assert first == child_traceparent(GIVEN, reference="r", attempt=1)
    assert all(read_traceparent(span) == span for span in (first, second))
    assert {trace_id(span) for span in (first, second)} == {trace_id(GIVEN)}
    assert first[-2:] == "01"
