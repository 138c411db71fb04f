"""Web backends of Django and Flask that send in their transactions, with a stack that delivers."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dispatcher.domain.tier import Tier
from tests.producer.backend import FRAMEWORKS, Backend, running_backend
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WITHIN = 12.0  # seconds on a busy machine; an id that is lost in its lane takes 30
TIERS = ("critical", "standard")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory: Path = tmp_path_factory.mktemp("stack")
    with running_stack(directory) as running:
        running.rows("CREATE TABLE orders (id serial, note text)")
        yield running


@pytest.fixture(params=FRAMEWORKS)
def backend(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Backend]:
    with running_backend(request.param, stack.environment) as running:
        yield running


def texts(stack: Stack) -> list[str]:
    """Return the texts of the messages that the provider has."""
    messages = stack.sandbox.get("/messages", params={"offset": 0, "limit": 5000}).json()
    return sorted(message["text"] for message in messages if message["text"] != "Hello")


def test_a_rolled_back_message_is_never_sent_and_a_committed_one_once(stack: Stack, backend: Backend) -> None:
    before = texts(stack)
    for tier in TIERS:
        assert backend.order("rollback", tier).status_code == 500
        message = backend.order("commit", tier).json()["message"]
        until(lambda: _is_sent(stack, message), seconds=WITHIN, what="the message is sent")  # noqa: B023
    assert _within_the_next_seconds(stack) == sorted([*before, *(f"{tier} commit" for tier in TIERS)])


@pytest.mark.parametrize("tier", TIERS)
def test_a_message_of_a_process_that_is_killed_after_its_commit_is_sent_within_seconds(
    stack: Stack, backend: Backend, tier: str
) -> None:
    before = texts(stack)
    backend.order_and_be_killed(tier)
    until(lambda: texts(stack) != before, seconds=WITHIN, what="the message is sent")
    assert _within_the_next_seconds(stack) == sorted([*before, f"{tier} kill"])


def _within_the_next_seconds(stack: Stack) -> list[str]:
    """Return the texts that the provider has when the clock has looked at everything a few times more."""
    later = stack.submit(["+254700000009"], tier=Tier.BULK, after=timedelta(seconds=3))
    until(lambda: _is_sent(stack, later[0]), seconds=30, what="a later message is sent")
    return texts(stack)


def _is_sent(stack: Stack, message: int) -> bool:
    [(status,)] = stack.rows("SELECT status FROM messages WHERE id = %s", message)
    return bool(status >= 12)
