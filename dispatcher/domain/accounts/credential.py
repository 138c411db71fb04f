"""The kinds of credentials: how a caller shows one, and how it is kept."""

from enum import StrEnum


class CredentialKind(StrEnum):
    """How a credential is shown. Each opens the door of one dialect."""

    APP = "app"  # an id and a secret, exchanged for a token
    API_KEY = "api_key"  # one secret in a header or parameter
    USER = "user"  # user name and password as parameters
    BEARER = "bearer"  # one secret as a bearer token
    LOGIN = "login"  # login and password as HTTP Basic
    CONSOLE = "console"  # a person's name and password; the only one people choose

    @property
    def has_name(self) -> bool:
        """Whether it has a public half, by which it is found."""
        return self not in (CredentialKind.API_KEY, CredentialKind.BEARER)
