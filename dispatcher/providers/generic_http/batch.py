"""Several messages in one request: their place in its body and in the response."""

from collections.abc import Sequence

from pydantic import Field

from dispatcher.providers.generic_http.fields import Options
from dispatcher.providers.generic_http.template import Json, Values, fill_json


class BatchFormat(Options):
    """
    The place of several messages in one request.

    `messages` is the path in `json` of a list with one item, the template of
    one message. `answers` is the path of the list in the response. Each item
    belongs to the message whose reference is at `reference`, or, without that,
    to the message at the same position.
    """

    max: int = Field(ge=2, le=1000)
    messages: str
    answers: str
    reference: str | None = None

    def without_messages(self, body: Json) -> Json:
        """Return a copy of the body without messages. Raises ValueError if it has no template."""
        self._item(body)
        return _with_messages(body, self.messages, [])

    def fill(self, body: Json, each: Sequence[Values]) -> Json:
        """Return the body with one message for each of these values; the rest has the first one's values."""
        item = self._item(body)
        return _with_messages(
            fill_json(self.without_messages(body), each[0]), self.messages, [fill_json(item, v) for v in each]
        )

    def _item(self, body: Json) -> Json:
        for step in self.messages.split("."):
            body = body.get(step) if isinstance(body, dict) else None
        if not isinstance(body, list) or len(body) != 1:
            raise ValueError(f"batch: json must have a list of one item at {self.messages!r}")
        return body[0]


def _with_messages(body: Json, path: str, messages: list[Json]) -> Json:
    """Return a copy of the body with these messages at the path, which must exist."""
    step, _, rest = path.partition(".")
    assert isinstance(body, dict)
    return {**body, step: _with_messages(body[step], rest, messages) if rest else messages}
