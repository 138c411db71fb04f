"""Large bodies: nothing of one is read beyond its start before the client is known."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.api.limits.sliced_json import SlicedDecoder
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.yielding import run_without_loop
from tests.api.client import open_client
from tests.world import World

MIB = 1 << 20


async def _post(client: httpx.AsyncClient, path: str, body: bytes) -> httpx.Response:
    return await client.post(path, content=body)


def _json(key: str | None, *, numbers: int, pad: int = 0) -> bytes:
    fields: dict[str, object] = {} if key is None else {"api_key": key}
    fields["numbers"] = [f"+2547{n:08}" for n in range(numbers)]
    fields["message_body"] = "hello"
    return json.dumps({**fields, "pad": "x" * pad}).encode()


def test_a_large_body_without_a_valid_credential_is_refused_at_its_start(world: World) -> None:
    async def story() -> None:
        async with open_client(world) as client:
            for body, status in [
                (_json(None, numbers=60_000), 413),
                (_json("sms_wrong", numbers=60_000), 401),
                (urlencode({"message_body": "x" * MIB, "api_key": "k"}).encode(), 413),
                (b'{"a":' * (MIB // 5), 413),
                (b"[" * MIB, 413),
            ]:
                answer = await _post(client, "/api/v2/sms/send", body)
                assert answer.status_code == status, body[:40]
            form = urlencode({"username": "a", "password": "b", "numbers": "1," * MIB}).encode()[:MIB]
            assert (await _post(client, "/v1/sms/send", form)).status_code == 401

    world.run(story)


def test_the_rest_of_a_large_body_is_read_once_the_client_is_known(world: World) -> None:
    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.API_KEY, dialect="formpost"
        )
        async with open_client(world) as client:
            body = _json(key.secret, numbers=3, pad=300_000)
            answer = await _post(client, "/api/v2/sms/send", body)
            assert answer.status_code == 200, answer.text
            form = urlencode(
                {
                    "api_key": key.secret,
                    "numbers": "+254712345678",
                    "pad": "ä%" * 50_000,
                    "message_body": "é b",
                }
            ).encode()
            answer = await _post(client, "/api/v2/sms/send", form)
            assert answer.status_code == 200, answer.text
            cut = await _post(client, "/api/v2/sms/send", body[:-1])
            assert cut.status_code == 422  # a form, as a small one would be

    world.run(story, credits=100)


def test_a_body_above_the_bulk_limit_is_413_by_default(world: World) -> None:
    async def story() -> int:
        async with open_client(world) as client:
            return (await _post(client, "/api/v2/sms/send", b"x" * (2 * MIB + 1))).status_code

    assert world.settings.bulk_body_limit == 2 * MIB
    assert world.run(story) == 413


def test_other_tasks_run_while_a_large_valid_body_is_read() -> None:
    """Each turn of the other task is one slice; without slices it would have one."""

    async def story() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        raw = json.dumps({"numbers": [f"+2547{n:08}" for n in range(100_000)]}).encode()
        document = await SlicedDecoder(parse_constant=float).decode(raw)
        task.cancel()
        assert document == json.loads(raw)
        return turns

    assert asyncio.run(story()) > 20


def test_no_body_of_a_tenant_keeps_the_loop_from_others_or_costs_seconds(world: World) -> None:
    """Stalls are processor time of one turn of the loop, so that a busy machine does not matter."""
    size = world.settings.bulk_body_limit - 100
    bodies = [
        b'{"numbers":[%b1]}' % (b"1," * (size // 2)),
        b'{"numbers":[%b"1"]}' % (b'"1",' * (size // 4)),
        b'{"numbers":[%b[]]}' % (b"[]," * (size // 3)),
        b'{"numbers":[%b{}]}' % (b"{}," * (size // 3)),
        b'{"a":{%b"a":1}}' % (b'"a":1,' * (size // 6)),
        b'{"numbers":[%b"1"]}' % (b'"+254712345678",' * (size // 16)),
        b'{"numbers":"%b"}' % (b"1," * (size // 2)),
        b"message_body=x&numbers=%b" % (b"1," * (size // 2)),
        b"&".join(b"a%d=1" % n for n in range(19_000)),
    ]

    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.API_KEY, dialect="formpost"
        )
        async with open_client(world) as client:
            headers = {"X-API-Key": key.secret}
            longest = 0.0

            async def watch() -> None:
                nonlocal longest
                last = time.thread_time()
                while True:
                    await asyncio.sleep(0)
                    longest, last = max(longest, time.thread_time() - last), time.thread_time()

            for body in bodies:
                watching = asyncio.create_task(watch())
                await asyncio.sleep(0)
                longest, started = 0.0, time.thread_time()
                answer = await client.post("/api/v2/sms/send", content=body, headers=headers)
                spent = time.thread_time() - started
                watching.cancel()
                assert answer.status_code in (413, 422), answer.text
                assert (longest < 0.1, spent < 4) == (True, True), (body[:40], longest, spent)

    world.run(story)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_slices_read_what_json_loads_reads(value: object, indent: Any, is_ascii: bool) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert run_without_loop(SlicedDecoder(parse_constant=float).decode(raw)) == json.loads(raw)


@given(st.text(alphabet='{}[]",:1.e-+ \\u\nnulltrfasb'), st.data())
def test_slices_refuse_what_json_loads_refuses(text: str, data: st.DataObject) -> None:
    def refuses(read: Any) -> bool:
        try:
            read()
        except ValueError:
            return True
        return False

    raw = text.encode()
    sliced = refuses(lambda: run_without_loop(SlicedDecoder(parse_constant=float).decode(raw)))
    assert sliced == refuses(lambda: json.loads(raw))


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 100_000, b"", b"\xff"])
def test_depth_and_garbage_are_value_errors(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        run_without_loop(SlicedDecoder(parse_constant=float).decode(raw))
