"""Types of options that several plug-ins have, each checked when the options are read."""

import re
from base64 import b64encode
from typing import Annotated

import httpx
from pydantic import AfterValidator, SecretStr


def parsed_url(text: str) -> httpx.URL:
    """Return the URL. Raises ValueError."""
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"this is not a URL: {error}") from None


def called_url(text: str) -> httpx.URL:
    """Return a URL that requests can be sent to. Raises ValueError."""
    url = parsed_url(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("this is not an absolute http or https URL")
    if url.userinfo:
        raise ValueError("a URL must have no user and password, because logs keep URLs; use auth")
    return url


def basic_auth(username: str, password: SecretStr) -> str:
    """Return the Authorization header of Basic authentication (RFC 7617)."""
    pair = f"{username}:{password.get_secret_value()}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _base_url(text: str) -> str:
    url = called_url(text)
    if url.query or url.fragment:
        raise ValueError("this URL must have no query and no fragment")
    return text.rstrip("/")


def _proxy(secret: SecretStr) -> SecretStr:
    url = parsed_url(secret.get_secret_value())
    if url.scheme != "http" or not url.host or url.raw_path != b"/":
        raise ValueError(
            "this is not the URL of a proxy: write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
        )
    return secret


def _one_line(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", secret.get_secret_value()):
        raise ValueError(
            "a secret must be one line of ASCII without blanks around it; look for a newline at the end"
        )
    return secret


Url = Annotated[str, AfterValidator(_base_url)]
"""A URL to which paths are added, without a slash at its end."""
Secret = Annotated[SecretStr, AfterValidator(_one_line)]
"""A secret that a header can carry."""
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy)]
"""A secret, because it may contain a password."""
