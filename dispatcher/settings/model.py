"""
All settings, read from the environment once and checked at start.

`DATABASE_URL` and `REDIS_URL` have no prefix; all other names start with
`DISPATCHER_`. `NAME_FILE` names a file with the value of `NAME`, and is ignored
if `NAME` itself is set. `.env.example` lists all settings.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    InstanceOf,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dispatcher.domain.accounts.credits import Prices, PriceUnit
from dispatcher.domain.delivery.message import DoubtPolicy
from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.delivery.retry import RetryPolicy
from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.hours.allowed_hours import AllowedHours
from dispatcher.domain.inbound.keywords import KeywordAction, Keywords
from dispatcher.domain.numbers.countries import expand, expand_keys
from dispatcher.domain.tier import Tier
from dispatcher.settings.checks import (
    DEFAULT_RESENDS,
    all_tiers,
    check_base_url,
    check_countries,
    check_keywords,
    check_priced,
    parse_tier_hours,
)
from dispatcher.settings.environment import check_url, parse_json, read_files, variable_of
from dispatcher.settings.listening import check_listen, check_networks, check_root_path
from dispatcher.settings.references import resolve_references
from dispatcher.strict_model import StrictModel

S = TypeVar("S", bound="BrokerSettings")

_POSTGRES, _POSTGRES_SAMPLE = r"postgres(ql)?(\+\w+)?", "postgresql://user:password@host:5432/database"
_REDIS, _REDIS_SAMPLE = r"rediss?|sentinel", "redis://:password@host:6379/0"  # Celery has no unix://


class RepeatPolicy(StrEnum):
    """What happens to the same text to the same number within DISPATCHER_REPEAT_WINDOW."""

    REFUSE = "refuse"
    JOIN = "join"  # answered with the existing message


class ProviderSettings(StrictModel):
    """
    One provider in DISPATCHER_PROVIDERS.

    `tps` is in segments per second, and so is `sender_tps`, by sender ID, with
    "*" for each that is not named. `call_timeout` and `poll` are in seconds.
    `doubt` overrides DISPATCHER_DOUBT_RESENDS for this provider. `prices` are
    per segment, by country. A country is "GB", or a calling code, "+44"; "-JE"
    in `countries` leaves one out that another name includes.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    plugin: str
    options: Annotated[dict[str, object], BeforeValidator(resolve_references)] = Field(default_factory=dict)
    tps: float = Field(default=100, gt=0)
    max_connections: int = Field(default=200, ge=1, le=2000)
    call_timeout: float = Field(default=5, gt=0, le=60)
    dedupes: bool = False
    countries: Annotated[frozenset[str], AfterValidator(check_countries)] = frozenset()
    takes: Traffic = Traffic.LIVE
    sender_tps: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    doubt: dict[Tier, int] = Field(default_factory=dict)
    prices: dict[Annotated[str, AfterValidator(check_priced)], Annotated[Decimal, Field(ge=0)]] = Field(
        default_factory=dict
    )
    poll: float | None = Field(default=None, ge=1, le=3600)

    def config(self, public_url: str | None = None) -> ProviderConfig:
        """
        Return the configuration as its plug-in and the workers read it.

        `public_url` is where providers can call us.
        """
        return ProviderConfig(
            name=self.name,
            plugin=self.plugin,
            options=self.options,
            tps=self.tps,
            max_connections=self.max_connections,
            call_timeout=timedelta(seconds=self.call_timeout),
            dedupes=self.dedupes,
            countries=expand(self.countries),
            takes=self.takes,
            sender_tps=self.sender_tps,
            prices=expand_keys(self.prices),
            poll=None if self.poll is None else timedelta(seconds=self.poll),
            receipt_url=None if public_url is None else f"{public_url}/receipts/{self.name}",
        )


class BrokerSettings(BaseSettings):
    """The settings of beat and Flower, which know the broker and no other secret."""

    model_config = SettingsConfigDict(env_prefix="DISPATCHER_", frozen=True, extra="ignore")

    redis_url: SecretStr = Field(validation_alias=AliasChoices("REDIS_URL", "redis_url"))
    log_level: str = "info"


class Settings(BrokerSettings):
    """All settings. Durations are in seconds."""

    database_url: SecretStr = Field(validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    database_pool: int = Field(default=10, ge=1, le=100)

    public_url: Annotated[str, AfterValidator(check_base_url)] | None = None
    providers: Annotated[tuple[ProviderSettings, ...], NoDecode] = ()

    doubt_resends: Annotated[dict[Tier, int], NoDecode, AfterValidator(all_tiers)] = dict(DEFAULT_RESENDS)
    max_deferrals: int = Field(default=10, ge=1)
    backoff_base: float = Field(default=2, gt=0)
    backoff_cap: float = Field(default=300, gt=0)
    receipt_timeout: float = Field(default=72 * 3600, gt=0)
    lease: float = Field(default=30, gt=0)
    flush_interval: float = Field(default=0.02, gt=0)
    lane_seconds: float = Field(default=2, gt=0)
    campaign_ahead: int = Field(default=100_000, ge=1)
    hours: Annotated[dict[Tier, InstanceOf[AllowedHours]], NoDecode, BeforeValidator(parse_tier_hours)] = {}

    max_recipients: int = Field(default=10_000, ge=1)
    max_segments: int = Field(default=10, ge=1, le=255)
    stop_mention: str = "\nSTOP: reply STOP"
    keywords: Annotated[dict[KeywordAction, tuple[str, ...]], NoDecode, AfterValidator(check_keywords)] = {}
    body_limit: int = Field(default=1 << 20, ge=1024)
    bulk_body_limit: int = Field(default=2 << 20, ge=1024)
    simulated_numbers: bool = False
    charge_by: PriceUnit = PriceUnit.SEGMENT
    prices: Annotated[dict[Annotated[str, AfterValidator(check_priced)], int], NoDecode] = {}

    rate_limit: int = Field(default=6000, ge=1)
    address_rate_limit: int = Field(default=60, ge=1)
    repeat_window: float = Field(default=0, ge=0)
    repeat_policy: RepeatPolicy = RepeatPolicy.REFUSE
    critical_per_hour: int = Field(default=0, ge=0)

    jwt_secret: SecretStr | None = Field(default=None, min_length=32)
    token_validity: float = Field(default=3600, gt=0)
    callback_private: bool = False
    callback_https_only: bool = False
    callback_disable_after: float = Field(default=5 * 86_400, gt=0)
    callback_max_age: float = Field(default=4 * 86_400, gt=0)

    emess_collapse_repeats: bool = False
    emsgnow_max_characters: int = Field(default=160, ge=0)
    emsgnow_validity: float = Field(default=6 * 3600, gt=0)
    formpost_key_days: int = Field(default=365, ge=0)
    scheduler_scalar_ids: bool = False
    smsgate_answers_202: bool = False
    smsgate_landlines: bool = False
    disabled_dialects: Annotated[frozenset[str], NoDecode] = frozenset()
    dialect_prefixes: Annotated[dict[str, str], NoDecode] = {}

    forwarded_allow_ips: Annotated[str, AfterValidator(check_networks)] | None = None
    root_path: Annotated[str, AfterValidator(check_root_path)] | None = None
    manage_listen: Annotated[str, AfterValidator(check_listen)] | None = None

    @property
    def public_path(self) -> str:
        """The path below which clients reach the API: the root path, else the path of `public_url`."""
        if self.root_path is not None or self.public_url is None:
            return self.root_path or ""
        return urlsplit(self.public_url).path

    @cached_property
    def retry_policy(self) -> RetryPolicy:
        """How long to wait for receipts and between attempts."""
        return RetryPolicy(
            receipt=timedelta(seconds=self.receipt_timeout),
            backoff_base=timedelta(seconds=self.backoff_base),
            backoff_cap=timedelta(seconds=self.backoff_cap),
            max_deferrals=self.max_deferrals,
        )

    @cached_property
    def keyword_list(self) -> Keywords:
        """The keywords of each action: the default ones, or those that the setting has for the action."""
        return Keywords.of(self.keywords)

    @cached_property
    def price_list(self) -> Prices:
        """The credits that messages cost; the country "*" stands for all that are not named."""
        by_country = expand_keys({name: price for name, price in self.prices.items() if name != "*"})
        return Prices(self.charge_by, by_country, self.prices.get("*", 1))

    def doubt(self, provider: str | None, tier: Tier) -> DoubtPolicy:
        """Return how often a message in doubt is sent again: as the provider says, else as its tier says."""
        for configured in self.providers:
            if configured.name == provider:
                if configured.dedupes:
                    return DoubtPolicy(resends=100)
                if tier in configured.doubt:
                    return DoubtPolicy(resends=configured.doubt[tier])
        return DoubtPolicy(resends=self.doubt_resends[tier])


def load_settings() -> Settings:
    """Return the settings of the environment. Raises Misconfigured with all that are missing or wrong."""
    values: dict[str, object] = dict(read_files(Settings.model_fields))
    for field in _json_fields():
        name = f"DISPATCHER_{field.upper()}"
        if raw := values.get(field) or os.environ.get(name):
            values[field] = parse_json(name, str(raw))
    settings = _checked(Settings, values)
    check_url("DATABASE_URL", settings.database_url, _POSTGRES, like=_POSTGRES_SAMPLE)
    return settings


def load_broker_settings() -> BrokerSettings:
    """Return the settings of the environment that beat and Flower need. Raises Misconfigured."""
    return _checked(BrokerSettings, dict(read_files(BrokerSettings.model_fields)))


def _checked(kind: type[S], values: dict[str, object]) -> S:
    try:
        settings = kind(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"{variable_of(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_url=False)]
        raise Misconfigured("settings are missing or wrong:\n  " + "\n  ".join(lines)) from None
    check_url("REDIS_URL", settings.redis_url, _REDIS, like=_REDIS_SAMPLE)
    return settings


def _json_fields() -> Iterator[str]:
    """Yield the fields that `load_settings` reads as JSON."""
    for name, field in Settings.model_fields.items():
        if NoDecode in field.metadata:
            yield name
