"""Web backends of Django and Flask that send in their transactions, with a stack that delivers."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.producer.backend import FRAMEWORKS, Backend, running_backend
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WITHIN = 6.0  # seconds; the clock looks every second, and this machine may be busy
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
    return sorted(row["text"] for row in stack.seen())


@pytest.mark.parametrize("tier", TIERS)
def test_a_rolled_back_message_is_never_sent_and_a_committed_one_once(
    stack: Stack, backend: Backend, tier: str
) -> None:
    before = texts(stack)
    assert backend.order("rollback", tier).status_code == 500
    message = backend.order("commit", tier).json()["message"]
    until(lambda: _is_sent(stack, message), seconds=WITHIN, what="the message is sent")
    time.sleep(3)  # a second send, or one of the message that was rolled back, would come now
    assert texts(stack) == sorted([*before, f"{tier} commit"])


@pytest.mark.parametrize("tier", TIERS)
def test_a_message_of_a_process_that_is_killed_after_its_commit_is_sent_within_seconds(
    stack: Stack, backend: Backend, tier: str
) -> None:
    before = texts(stack)
    backend.order_and_be_killed(tier)
    until(lambda: texts(stack) != before, seconds=WITHIN, what="the message is sent")
    time.sleep(3)
    assert texts(stack) == sorted([*before, f"{tier} kill"])


def _is_sent(stack: Stack, message: int) -> bool:
    [(status,)] = stack.rows("SELECT status FROM messages WHERE id = %s", message)
    return bool(status >= 12)
