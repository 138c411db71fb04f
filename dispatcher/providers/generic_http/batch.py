"""Several messages in one request: where they stand in its body, and where in the answer."""

from collections.abc import Sequence

from pydantic import Field

from dispatcher.providers.generic_http.fields import Options
from dispatcher.providers.generic_http.template import Json, Values, fill_json


class BatchFormat(Options):
    """
    How one request carries several messages.

    `messages` is the path in `json` of a list with one item, the template of
    one message. `answers` is the path of the list in the answer; an item of it
    is the answer to the message whose reference is at `reference`, or without
    that to the message in its place.
    """

    max: int = Field(ge=2, le=1000)
    messages: str
    answers: str
    reference: str | None = None

    def around(self, body: Json) -> Json:
        """Copy a body, with no message in it. Raises ValueError if it has no template of one."""
        self._item(body)
        return _with_messages(body, self.messages, [])

    def fill(self, body: Json, each: Sequence[Values]) -> Json:
        """Fill a body with one message for each of these values; what is around them is the same for all."""
        item = self._item(body)
        return _with_messages(
            fill_json(self.around(body), each[0]), self.messages, [fill_json(item, v) for v in each]
        )

    def _item(self, body: Json) -> Json:
        for step in self.messages.split("."):
            body = body.get(step) if isinstance(body, dict) else None
        if not isinstance(body, list) or len(body) != 1:
            raise ValueError(f"batch: json has no list of one item at {self.messages!r}")
        return body[0]


def _with_messages(body: Json, path: str, messages: list[Json]) -> Json:
    """Copy a body, with these messages at the path that is there."""
    step, _, rest = path.partition(".")
    assert isinstance(body, dict)
    return {**body, step: _with_messages(body[step], rest, messages) if rest else messages}
