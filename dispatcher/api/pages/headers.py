"""
The headers that protect responses in a browser.

A response loads nothing, is framed by nobody and is kept in no cache, unless it
says otherwise itself: many have keys, tokens, texts or phone numbers.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from starlette.responses import HTMLResponse

_EVERY_RESPONSE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class HtmlPage(HTMLResponse):
    """A page that runs its own scripts and this server's, and loads nothing from elsewhere."""

    def __init__(self, content: str, *, headers: Mapping[str, str] | None = None) -> None:
        scripts = ["'self'", *(_hash(script) for script in _SCRIPT.findall(content))]
        policy = {
            "default-src": "'none'",
            "script-src": " ".join(scripts),
            "style-src": "'self' 'unsafe-inline'",  # Swagger UI writes styles into its elements
            "img-src": "'self' data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        csp = "; ".join(f"{name} {value}" for name, value in policy.items())
        super().__init__(content, headers={**(headers or {}), "Content-Security-Policy": csp})


def add_protection(raw: list[tuple[bytes, bytes]]) -> None:
    """Add the headers that protect a response, except those that it has."""
    present = {name for name, _ in raw}
    raw.extend(header for header in _EVERY_RESPONSE if header[0] not in present)


def _hash(script: str) -> str:
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
