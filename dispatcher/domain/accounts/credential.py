"""The kinds of credentials."""

from enum import StrEnum


class CredentialKind(StrEnum):
    """How a caller presents a credential. Each credential is valid for one dialect."""

    APP = "app"  # an id and a secret, exchanged for a token
    API_KEY = "api_key"  # one secret in a header or parameter
    USER = "user"  # user name and password as parameters
    BEARER = "bearer"  # one secret as a bearer token
    LOGIN = "login"  # login and password as HTTP Basic
    CONSOLE = "console"  # a person's name and password; the only secret that people choose

    @property
    def has_name(self) -> bool:
        """Whether the credential has a public name, by which it is found."""
        return self not in (CredentialKind.API_KEY, CredentialKind.BEARER)
