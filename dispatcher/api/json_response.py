"""The JSON response of every API here."""

import json

from starlette.responses import JSONResponse

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Json(JSONResponse):
    """JSON with characters as they are; half of a surrogate pair, which UTF-8 cannot encode, becomes "?"."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: object) -> bytes:
        """Return the body, in UTF-8."""
        return _encode(content).encode("utf-8", "replace")
