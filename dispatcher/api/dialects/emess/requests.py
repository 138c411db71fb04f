"""Reading the bodies of Emess: types are exact, and one message lists every missing or invalid field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dispatcher.api.dialects.emess.mapping import BAD_TYPE, MISSING, NO_PAIR, TYPES
from dispatcher.api.request_body import read_object
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.submission import DuplicateNumbers, InvalidNumbers, Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.settings import Settings


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """The App ID and Secret Key of an application."""

    id: str
    secret: str


async def read_app_credentials(request: Request) -> AppCredentials:
    """
    Return the appId and secretKey of a body. Raises Invalid if it does not have both, for any reason.

    A body that is XML, multipart or compressed is 415.
    """
    try:
        body = await read_object(request)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        body = {}
    match body.get("appId"), body.get("secretKey"):
        case str(app_id), str(secret) if app_id and secret:
            return AppCredentials(app_id, secret)
    raise Invalid(NO_PAIR)


class Form:
    """The fields of a body, read by type; it collects missing and invalid ones."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body
        self._missing: list[str] = []
        self._wrong: list[str] = []

    def single(self, caller: Caller, settings: Settings) -> Submission:
        """Return the submission of one message to one number. Raises Invalid."""
        return self._submission(caller, settings, [self._string("number")], default=None)

    def bulk(self, caller: Caller, settings: Settings) -> Submission:
        """Return the submission of one message to many numbers. Raises Invalid."""
        submission = self._submission(caller, settings, self._numbers(), default=Tier.BULK)
        duplicates = DuplicateNumbers.COLLAPSE if settings.emess_collapse_repeats else DuplicateNumbers.KEEP
        return replace(submission, invalid_numbers=InvalidNumbers.SKIP, duplicate_numbers=duplicates)

    def _submission(
        self, caller: Caller, settings: Settings, recipients: Sequence[str], *, default: Tier | None
    ) -> Submission:
        text, tier, keep = self._string("message"), self._tier(default), self._keep_diacritics()
        if self._missing:
            self._wrong.insert(0, MISSING.format(", ".join(self._missing)))
        if self._wrong:
            raise Invalid("; ".join(self._wrong))
        country = caller.account.default_country
        return Submission(
            recipients=recipients,
            text=text,
            numbers=NumberPolicy(
                default_country=country,
                national=True,
                lenient=True,  # the document names no format
                simulated=settings.simulated_numbers,
            ),
            tier=tier,
            strip_diacritics=not keep,
        )

    def _string(self, name: str) -> str:
        """Return a string; an empty one counts as missing, as null does."""
        value = self._body.get(name)
        if value is None or value == "":
            self._missing.append(name)
        elif isinstance(value, str):
            return value
        else:
            self._wrong.append(f"{name} must be a string")
        return ""

    def _numbers(self) -> Sequence[str]:
        value = self._body.get("numbers")
        if value is None or value == []:
            self._missing.append("numbers")
        elif isinstance(value, list) and all(isinstance(number, str) for number in value):
            return value
        else:
            self._wrong.append("numbers must be an array of strings")
        return []

    def _tier(self, default: Tier | None) -> Tier | None:
        """Return the tier that `type` names; with a default it may be left out, but not null or empty."""
        value = self._body.get("type")
        if default is not None and "type" not in self._body:
            return default
        if default is None and (value is None or value == ""):
            self._missing.append("type")
        elif isinstance(value, str) and value in TYPES:
            return TYPES[value]
        else:
            self._wrong.append(BAD_TYPE)
        return None

    def _keep_diacritics(self) -> bool:
        value = self._body.get("keepDiacritics", False)
        if isinstance(value, bool):
            return value
        self._wrong.append("keepDiacritics must be a boolean")
        return False
