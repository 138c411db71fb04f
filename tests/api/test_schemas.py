"""schemathesis over each OpenAPI document: no 5xx, and no status, type or shape that is not in it."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from pydantic import SecretStr
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dispatcher.api.app import DIALECTS
from dispatcher.api.manage import management
from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Account, AccountLimits
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.sandbox.provider_options import http_options
from dispatcher.service.accounts import accounts, credentials, tokens
from dispatcher.service.accounts.credentials import MANAGE, NewKey
from dispatcher.service.context import Context
from dispatcher.settings import ProviderSettings, Settings
from tests.api.server import running_api
from tests.conftest import empty

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
APIS = (*DIALECTS, management)
MANY = 1_000_000
LEAST = 20  # requests for each operation, as it should be and as it should not be

# How a request is cut out of its connection: a wrong one is no HTTP, and no API ever sees it.
FRAMING = frozenset({"transfer-encoding", "content-length", "connection", "upgrade", "expect"})


Headers = dict[str, str]


@pytest.fixture(scope="module")
def api(servers: tuple[str, str]) -> Iterator[tuple[str, dict[str, Headers]]]:
    """Serve one account with a credential for each API; yield the URL and the headers of each."""
    database_url, redis_url = servers
    empty(database_url)
    provider = ProviderSettings(
        name="sim",
        plugin="http",
        options=http_options(
            "http://127.0.0.1:1", receipt_url="http://127.0.0.1:1/", receipt_secret="x" * 16
        ),
    )
    settings = Settings(
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        providers=(provider,),
        jwt_secret=SecretStr("x" * 40),
        rate_limit=MANY,
        address_rate_limit=MANY,
    )
    headers = asyncio.run(_account(settings))
    with running_api(settings) as url:
        yield url, headers


async def _account(settings: Settings) -> dict[str, Headers]:
    async with open_context(settings, name="test") as ctx:
        account = await accounts.create(ctx, "shop", credits=MANY, country="KE")
        account = await accounts.set_limits(ctx, account, AccountLimits(rate=MANY))
        await accounts.add_sender(ctx, account, "SHOP")
        return await _headers(ctx, account)


async def _headers(ctx: Context, account: Account) -> dict[str, Headers]:
    async def key(kind: CredentialKind, dialect: str, owner: Account = account) -> NewKey:
        return await credentials.create(ctx, owner, kind, dialect=dialect)

    def basic(key: NewKey) -> str:
        return "Basic " + b64encode(f"{key.name}:{key.secret}".encode()).decode()

    app = await key(CredentialKind.APP, "emess")
    caller = await credentials.by_pair(ctx, CredentialKind.APP, str(app.name), app.secret, dialect="emess")
    token = await tokens.issue(ctx, caller, validity=timedelta(hours=1))
    login = await key(CredentialKind.LOGIN, "smsgate")
    operator = await credentials.create(ctx, None, CredentialKind.BEARER, dialect=MANAGE)
    other = await accounts.create(ctx, "other", country="KE")
    bearer = await key(CredentialKind.BEARER, "scheduler")
    return {
        "emess": {"Authorization": f"Bearer {token.access}"},
        "emsgnow": {"x-api-key": (await key(CredentialKind.API_KEY, "emsgnow")).secret},
        "formpost": {"X-API-Key": (await key(CredentialKind.API_KEY, "formpost")).secret},
        "scheduler": {"Authorization": f"Bearer {bearer.secret}"},
        "smsgate": {"Authorization": basic(login)},
        "manage": {"Authorization": f"Bearer {operator.secret}"},
        "keys": {"Authorization": basic(await key(CredentialKind.USER, "formpost", other))},
    }


def _operations() -> Iterator[Any]:
    for api in APIS:
        schema = schemathesis.openapi.from_dict(api.openapi())
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            given = (operation.path_parameters, operation.query, operation.headers, operation.body)
            modes = list(GenerationMode) if any(map(len, given)) else [GenerationMode.POSITIVE]
            for mode in modes:
                title = f"{api.name} {operation.label} {mode.name.lower()}"
                yield pytest.param(api.name, operation, mode, id=title)


OPERATIONS = list(_operations())
EXAMPLES = max(LEAST, int(os.environ.get("FUZZ_REQUESTS", "0")) // len(OPERATIONS))
"""For each operation; `make fuzz` has more."""


@pytest.mark.parametrize(("name", "operation", "mode"), OPERATIONS)
def test_every_answer_is_a_documented_one(
    api: tuple[str, dict[str, Headers]], name: str, operation: Any, mode: GenerationMode
) -> None:
    url, headers = api

    says_501 = "501" in operation.definition.raw["responses"]  # what SMS Gateway has and we have not

    @given(case=operation.as_strategy(generation_mode=mode))
    @examples(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case: Case[Any]) -> None:
        for header in [header for header in case.headers or {} if header.lower() in FRAMING]:
            del case.headers[header]
        # The key endpoints revoke keys: they get another account's.
        shown = headers["keys" if "-key" in operation.path else name]
        checks = [check for check in CHECKS if check is not not_a_server_error or not says_501]
        case.call_and_validate(base_url=url, headers=shown, checks=checks)

    check()
