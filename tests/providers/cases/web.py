"""How the peer of a plug-in behaves whose provider speaks HTTP."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from ..conformance import Behaviour
from ..peer import Peer, Reply, always, http_reply, listening


def speaking(
    *, accepts: bytes, rejects: bytes, says_later: bytes
) -> Callable[[Behaviour], AbstractAsyncContextManager[Peer]]:
    """Answer in the provider's words, or badly."""
    replies: Mapping[Behaviour, Reply | bytes] = {
        Behaviour.ACCEPTS: accepts,
        Behaviour.REJECTS: rejects,
        Behaviour.SAYS_LATER: says_later,
        Behaviour.IS_SILENT: Reply(None),
        Behaviour.HANGS_UP: Reply(b"", hang_up=True),
        Behaviour.ANSWERS_HALF: Reply(accepts[:-5], hang_up=True),
        Behaviour.TALKS_GARBAGE: Reply(b"\x00\x01 this is not HTTP\r\n\r\n", hang_up=True),
        Behaviour.FAILS: http_reply(500),
    }
    return lambda behaviour: listening(always(replies[behaviour]))
