"""
Whether an answer can belong to its message, for plug-ins that send over HTTP.

HTTP/1.1 matches answers to requests by their order alone, so a provider that answers one
request twice shifts the answers of all that follow on the connection. Two rules end this:

- A reference that the provider has given to another message makes the outcome Unknown.
- A connection goes on only after an answer with a new reference. Any other answer (a
  refusal, an error, an acceptance without a reference) says nothing of whose it is.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import httpx

from dispatcher.providers.contract import Accepted, Outcome, Outgoing, Unknown
from dispatcher.providers.http_client.client import close_connection

_REMEMBERED: Final = 10_000


class AnswerCheck:
    """Remembers the last references of one provider, each with its message."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def checked(
        self, response: httpx.Response, messages: Sequence[Outgoing], outcomes: Sequence[Outcome]
    ) -> list[Outcome]:
        """Return the outcomes that can be believed, and close the connection if it may be out of step."""
        given = [
            (ref, message.reference)
            for message, outcome in zip(messages, outcomes, strict=True)
            if isinstance(outcome, Accepted)
            for ref in outcome.refs
        ]
        if not given:
            close_connection(response)
            return list(outcomes)
        stranger = next((ref for ref, owner in given if self._owners.get(ref, owner) != owner), None)
        if stranger is not None:
            close_connection(response)
            return [Unknown("the answer has a reference that another message got before")] * len(outcomes)
        self._owners.update(given)
        while len(self._owners) > _REMEMBERED:
            self._owners.popitem(last=False)
        return list(outcomes)
