"""The peer of a plug-in for an HTTP provider."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.providers.conformance import Behaviour
from tests.providers.peer import Got, Peer, Reply, http_reply, listening

Answer = bytes | Callable[[Got], bytes]
"""What the provider answers, or how it answers what it got."""

THROTTLED = http_reply(429, Retry_After="7")


def speaking(
    *, accepts: Answer, rejects: Answer, says_later: Answer = THROTTLED
) -> Callable[[Behaviour], AbstractAsyncContextManager[Peer]]:
    """Return a script that responds as the provider does, or badly."""

    def reply(behaviour: Behaviour, got: Got) -> Reply:
        match behaviour:
            case Behaviour.ACCEPTS:
                return Reply(_said(accepts, got))
            case Behaviour.REJECTS:
                return Reply(_said(rejects, got))
            case Behaviour.SAYS_LATER:
                return Reply(_said(says_later, got))
            case Behaviour.IS_SILENT:
                return Reply(None)
            case Behaviour.HANGS_UP:
                return Reply(b"", hang_up=True)
            case Behaviour.ANSWERS_HALF:
                return Reply(_said(accepts, got)[:-5], hang_up=True)
            case Behaviour.TALKS_GARBAGE:
                return Reply(b"\x00\x01 this is not HTTP\r\n\r\n", hang_up=True)
            case Behaviour.FAILS:
                return Reply(http_reply(500))

    return lambda behaviour: listening(lambda got, _: reply(behaviour, got))


def _said(answer: Answer, got: Got) -> bytes:
    return answer if isinstance(answer, bytes) else answer(got)
